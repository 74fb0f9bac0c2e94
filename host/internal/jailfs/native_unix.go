//go:build unix

package jailfs

import (
	"os"
	"syscall"

	"github.com/tetratelabs/wazero/experimental/sys"
)

// openDirFlags opens a directory, and only a directory.
const openDirFlags = os.O_RDONLY | syscall.O_DIRECTORY

// nativeFlags is how a file is opened. O_CREAT, O_EXCL and O_TRUNC are done apart; non-blocking, for opening a FIFO waits
// for its other end; and no terminal becomes the host's.
func nativeFlags(flag sys.Oflag) int {
	native := os.O_RDONLY
	switch {
	case flag&sys.O_RDWR != 0:
		native = os.O_RDWR
	case flag&sys.O_WRONLY != 0:
		native = os.O_WRONLY
	}
	if flag&sys.O_DIRECTORY != 0 {
		native |= syscall.O_DIRECTORY
	}
	if flag&(sys.O_SYNC|sys.O_DSYNC|sys.O_RSYNC) != 0 {
		native |= os.O_SYNC
	}
	return native | syscall.O_NONBLOCK | syscall.O_NOCTTY
}
