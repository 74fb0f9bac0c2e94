//go:build !linux

package jailfs

import (
	"os"

	"github.com/tetratelabs/wazero/experimental/sys"
)

// futimens is not offered: wazero falls back to the file's path.
func futimens(*os.File, int64, int64) sys.Errno { return sys.ENOSYS }
