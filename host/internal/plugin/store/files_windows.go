package store

import (
	"errors"
	"os"
	"path/filepath"
)

// replace writes a file in the temporary directory, flushes it to disk, and renames it over path.
func replace(path string, content []byte, tmp string) error {
	next := filepath.Join(tmp, filepath.Base(path)+".new")
	file, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// checkPrivate: modes say nothing here; a directory in the user's profile is private by default.
func checkPrivate(string) error { return nil }
