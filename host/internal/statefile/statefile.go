// Package statefile keeps a Terraform state on the command line's side: read, locked against a second run, replaced
// atomically, with one backup.
package statefile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// ErrLocked is returned by Open while another run holds the state.
var ErrLocked = errors.New("another run holds the state's lock; wait for it, or name another file with --state")

// What stands behind the name of the state in those of the files beside it.
const (
	backupSuffix = ".backup"
	lockSuffix   = ".lock"
)

// File is an open, locked state file. Close releases it.
type File struct {
	path string
	lock *flock.Flock
}

// Open locks the state file, which need not exist yet. Its directory is made (0700) where it is missing; a directory
// named .provisor gets a .gitignore, so that a state is never committed by accident.
func Open(path string) (*File, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("state file: %w", err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state file: %w", err)
	}
	if filepath.Base(dir) == ".provisor" {
		if err := ignore(filepath.Join(dir, ".gitignore")); err != nil {
			return nil, fmt.Errorf("state file: %w", err)
		}
	}
	lock := flock.New(path+lockSuffix, flock.SetPermissions(0o600))
	switch held, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("lock state file %s: %w", path, err)
	case !held:
		return nil, fmt.Errorf("state file %s: %w", path, ErrLocked)
	}
	return &File{path: path, lock: lock}, nil
}

// Path is the file's absolute path.
func (f *File) Path() string { return f.path }

// Owns says whether the path is that of the state, its backup or its lock.
func (f *File) Owns(path string) bool {
	path, err := filepath.Abs(path)
	return err == nil && (path == f.path || path == f.path+backupSuffix || path == f.path+lockSuffix)
}

// Read returns the state, or nothing if there is none yet.
func (f *File) Read() ([]byte, error) {
	state, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	return state, nil
}

// Write replaces the state, and keeps the one before as FILE.backup. After a crash at any moment the file holds
// either the old or the new state, whole. An equal state is not written again.
func (f *File) Write(state []byte) error {
	old, err := f.Read()
	if err != nil {
		return err
	}
	if bytes.Equal(old, state) {
		return nil
	}
	if len(old) > 0 {
		if err := replace(f.path+backupSuffix, old); err != nil {
			return fmt.Errorf("back up state: %w", err)
		}
	}
	if err := replace(f.path, state); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// Rescue keeps a state that Write could not: in a new file (0600) of the system's temporary directory, whose path it returns.
func Rescue(state []byte) (path string, err error) {
	file, err := os.CreateTemp("", "rescued-*.tfstate")
	if err != nil {
		return "", fmt.Errorf("rescue state: %w", err)
	}
	_, err = file.Write(state)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", fmt.Errorf("rescue state: %w", err)
	}
	return file.Name(), nil
}

// Close releases the lock. The lock file stays: removing it would let two runs hold "the" lock.
func (f *File) Close() error { return f.lock.Close() }

func ignore(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString("*\n")
	return errors.Join(err, file.Close())
}
