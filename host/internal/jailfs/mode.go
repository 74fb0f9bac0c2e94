package jailfs

import (
	"fmt"
	"io/fs"

	"github.com/tetratelabs/wazero/experimental/sys"
	wasys "github.com/tetratelabs/wazero/sys"

	"github.com/provisor/provisor/abi"
)

// SetMode sets the permission bits of a file: WASI has no such call, and templates bring scripts. The session's own rights
// on a directory stay, or nobody could clean up. It is not called Chmod because sys.FS has one with another result.
func (f *FS) SetMode(name string, mode fs.FileMode) error {
	path, st, err := f.statForMode("chmod", name)
	if err != nil {
		return err
	}
	mode &= fs.ModePerm
	if st.Mode.IsDir() {
		mode |= 0o700
	}
	if err := f.root.Chmod(path, mode); err != nil {
		return modeError("chmod", name, f.fail("chmod", path, err), err)
	}
	return nil
}

// Chmod implements sys.FS.
func (f *FS) Chmod(name string, mode fs.FileMode) sys.Errno {
	return errnoOf(f.SetMode(name, mode))
}

// Mode is the permission bits of a file.
func (f *FS) Mode(name string) (fs.FileMode, error) {
	_, st, err := f.statForMode("read the mode of", name)
	return st.Mode.Perm(), err
}

// statForMode lets through only what could be opened as well.
func (f *FS) statForMode(op, name string) (path string, st wasys.Stat_t, err error) {
	path, errno := clean(name)
	if errno != 0 {
		return "", st, modeError(op, name, errno, errno)
	}
	info, err := f.root.Stat(path)
	if err == nil {
		st = wasys.NewStat_t(info)
		err = admit(&st)
	}
	if err != nil {
		return "", st, modeError(op, name, f.fail(op, path, err), err)
	}
	return path, st, nil
}

// modeError carries the errno of the ABI that fits, and the one of WASI.
func modeError(op, name string, errno sys.Errno, err error) error {
	number := abi.IO
	switch errno {
	case sys.ENOENT, sys.ENOTDIR:
		number = abi.NotFound
	case sys.EPERM, sys.EACCES, sys.ELOOP:
		number = abi.Denied
	case sys.EINVAL, sys.ENAMETOOLONG:
		number = abi.Invalid
	}
	return &hostError{number, fmt.Errorf("%s %q: %w", op, name, cause(err))}
}

// hostError is an error with an errno of the ABI that is not part of its text.
type hostError struct {
	number abi.Errno
	err    error
}

func (e *hostError) Error() string   { return e.err.Error() }
func (e *hostError) Unwrap() []error { return []error{e.number, e.err} }
