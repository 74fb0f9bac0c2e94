package jailfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/tetratelabs/wazero/experimental/sys"
)

// wazero's errnos have none for a full disk and for too many open files. These two, which mean nothing else here, stand for
// them until WASI's functions (see NewWASI) turn them into ENOSPC and EMFILE.
const (
	errnoFull        = sys.EROFS
	errnoTooManyOpen = sys.EAGAIN
)

// What a guest is refused for other reasons than a limit. The text reaches it through Quota.LastError.
var (
	errSpecial  = errors.New("not a regular file or a directory: refused")
	errHardLink = errors.New("the file has more than one name (a hard link): refused")
	errNoLinks  = errors.New("hard links are not offered: copy the file or make a symbolic link")
	errEscape   = errors.New("the link leads out of the directory: refused")
)

// errnoOf is what a guest is told about err.
func errnoOf(err error) sys.Errno {
	var limit *LimitError
	var errno sys.Errno
	var native syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &limit):
		return limit.errno
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, errSpecial), errors.Is(err, errHardLink), errors.Is(err, errNoLinks), errors.Is(err, errEscape):
		return sys.EPERM
	case errors.As(err, &native):
		return errnoOfNative(native)
	case errors.Is(err, fs.ErrClosed):
		return sys.EBADF
	case errors.Is(err, fs.ErrNotExist):
		return sys.ENOENT
	case errors.Is(err, fs.ErrExist):
		return sys.EEXIST
	case errors.Is(err, fs.ErrInvalid):
		return sys.EINVAL
	default:
		// os.Root's refusal of a path that leads out is an error without a number and without a name.
		return sys.EPERM
	}
}

// errnoOfNative keeps the numbers of ours clear of other meanings and gives one to those that wazero calls EIO.
func errnoOfNative(native syscall.Errno) sys.Errno {
	switch native {
	case syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG:
		return errnoFull
	case syscall.EMFILE, syscall.ENFILE:
		return errnoTooManyOpen
	case syscall.ENXIO, syscall.ENODEV, syscall.EXDEV:
		return sys.EPERM // a FIFO without a reader, a socket, a device
	case syscall.EROFS, syscall.EBUSY, syscall.ETXTBSY:
		return sys.EACCES
	case syscall.EAGAIN, syscall.ENOSYS, syscall.ENOTSOCK:
		return sys.EIO
	}
	return sys.UnwrapOSError(native)
}

// cause is err without the operation and the path that os puts before it: those of a guest are others.
func cause(err error) error {
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(err, &pathErr):
		return pathErr.Err
	case errors.As(err, &linkErr):
		return linkErr.Err
	}
	return err
}
