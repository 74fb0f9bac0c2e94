//go:build unix && !linux

package engine

import (
	"fmt"
	"io/fs"
	"syscall"
)

// inode is the file's number on its device.
func inode(info fs.FileInfo) string {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
	}
	return ""
}
