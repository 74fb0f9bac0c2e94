//go:build !linux

package jailfs

import (
	"io"
	"os"

	"github.com/tetratelabs/wazero/experimental/sys"
)

// direntReader reads a directory without inode numbers: a C library stats each entry itself.
type direntReader struct{}

// read returns up to n entries, fewer when there happen to be fewer at hand, and io.EOF at the end.
func (*direntReader) read(dir *os.File, n int) ([]sys.Dirent, error) {
	found, err := dir.ReadDir(n)
	entries := make([]sys.Dirent, 0, len(found))
	for _, e := range found {
		entries = append(entries, sys.Dirent{Name: e.Name(), Type: e.Type()})
	}
	if err == nil && len(found) == 0 {
		err = io.EOF
	}
	return entries, err
}
