package engine

import (
	"fmt"
	"io/fs"
	"syscall"
)

// inode is the file's number on its device, and when what is known of it was changed the last time, which no program can set.
func inode(info fs.FileInfo) string {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d %d", stat.Dev, stat.Ino, stat.Ctim.Nano())
	}
	return ""
}
