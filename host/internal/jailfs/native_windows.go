package jailfs

import (
	"os"

	"github.com/tetratelabs/wazero/experimental/sys"
)

// openDirFlags opens a directory.
const openDirFlags = os.O_RDONLY

// nativeFlags is how a file is opened. O_CREAT, O_EXCL and O_TRUNC are done apart.
func nativeFlags(flag sys.Oflag) int {
	native := os.O_RDONLY
	switch {
	case flag&sys.O_RDWR != 0:
		native = os.O_RDWR
	case flag&sys.O_WRONLY != 0:
		native = os.O_WRONLY
	}
	if flag&(sys.O_SYNC|sys.O_DSYNC|sys.O_RSYNC) != 0 {
		native |= os.O_SYNC
	}
	return native
}
