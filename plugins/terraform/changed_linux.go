package main

import (
	"io/fs"
	"syscall"
)

func changed(info fs.FileInfo) int64 { return info.Sys().(*syscall.Stat_t).Ctim.Nano() }
