//go:build unix

package plugin

import (
	"fmt"
	"io/fs"
	"syscall"
)

// fileID is the file's number on its device.
func fileID(info fs.FileInfo) string {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
	}
	return ""
}
