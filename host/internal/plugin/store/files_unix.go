//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// replace writes a file of mode 0600 in the temporary directory, flushes it to disk, renames it over path, and flushes that.
func replace(path string, content []byte, tmp string) error {
	if err := renameio.WriteFile(path, content, 0o600, renameio.WithStaticPermissions(0o600), renameio.WithTempDir(tmp)); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// checkPrivate refuses a directory in which everybody could put a plugin.
func checkPrivate(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s may be written by others (mode %04o): chmod go-w it, or give another --data-dir", dir, info.Mode().Perm())
	}
	return nil
}
