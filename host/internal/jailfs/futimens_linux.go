package jailfs

import (
	"os"
	"unsafe"

	"github.com/tetratelabs/wazero/experimental/sys"
	"golang.org/x/sys/unix"
)

// futimens sets the times of an open file, whatever it is called by now. utimensat without a path does it; the Go
// libraries offer it only with one.
func futimens(f *os.File, atim, mtim int64) sys.Errno {
	times := [2]unix.Timespec{timespecOf(atim), timespecOf(mtim)}
	raw, err := f.SyscallConn()
	if err != nil {
		return errnoOf(err)
	}
	var native unix.Errno
	if err := raw.Control(func(fd uintptr) {
		_, _, native = unix.Syscall6(unix.SYS_UTIMENSAT, fd, 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
	}); err != nil {
		return errnoOf(err)
	}
	if native != 0 {
		return errnoOf(native)
	}
	return 0
}

func timespecOf(nanos int64) unix.Timespec {
	if nanos == sys.UTIME_OMIT {
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	}
	return unix.NsecToTimespec(nanos)
}
