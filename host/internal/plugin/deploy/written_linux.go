package deploy

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// beingWritten says whether anybody has the file open for writing: only of a file without writers can one have a read lease. The system
// may not say, of somebody else's file or on some file systems.
func beingWritten(f *os.File) (written, known bool) {
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	if errors.Is(err, unix.EAGAIN) {
		return true, true
	}
	if err != nil {
		return false, false
	}
	_, _ = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK) // closing the file does it, too
	return false, true
}
