package main

import (
	"io/fs"
	"syscall"
)

// changed is when a file or what is known of it was changed the last time, in nanoseconds, or 0. No program can set that.
func changed(info fs.FileInfo) int64 { return int64(info.Sys().(*syscall.Stat_t).Ctime) }
