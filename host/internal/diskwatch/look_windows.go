package diskwatch

import (
	"io/fs"
	"path/filepath"
)

// tree counts a directory with all below it.
func (l *look) tree(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // gone
		}
		if info, err := e.Info(); err == nil {
			l.add(info.Size())
		}
		if l.enough() {
			return fs.SkipAll
		}
		return nil
	})
}
