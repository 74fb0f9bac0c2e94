// Package statefile reads and writes the state files of a directory that a template can write to as well. It takes
// regular files for a state and nothing else: a link could point at another's secrets, and reading a pipe never ends.
package statefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// Name is where the engine keeps its state.
	Name = "terraform.tfstate"
	// Errored is where the engine leaves its state when it could not write it to where it belongs.
	Errored = "errored.tfstate"
)

// Dir is the directory that has the state files.
type Dir struct {
	Path string
	// MaxBytes is the largest state that is read; 0 is no limit.
	MaxBytes int64
}

// Exists reports whether there is a state, or something in its place.
func (d Dir) Exists() (bool, error) {
	_, err := os.Lstat(d.path(Name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Write makes state the directory's state, 0600, in one step: what was there before, were it a link, is replaced.
func (d Dir) Write(state []byte) (err error) {
	f, err := os.CreateTemp(d.Path, "."+Name+"-")
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(state); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), d.path(Name))
	}
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// Remove leaves the directory without the named file.
func (d Dir) Remove(name string) error {
	err := os.Remove(d.path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// Latest is the state after an apply: what the engine had to leave in the errored file, if it is there and whole, else the
// state file. It is nil if there is none. One that is not whole is an error and never a state: a client that stored it
// would lose the state that it has.
func (d Dir) Latest() ([]byte, error) {
	errored, erroredErr := d.read(Errored)
	if erroredErr == nil && errored != nil {
		return errored, nil
	}
	state, err := d.read(Name)
	return state, errors.Join(erroredErr, err)
}

// read is nil for a file that is not there or empty, which an engine takes for no state as well.
func (d Dir) read(name string) ([]byte, error) {
	before, err := os.Lstat(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("read state: %s is %s and not a regular file, so it is not read", name, kind(before.Mode()))
	}
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	defer f.Close()
	// The file may have been exchanged since it was looked at.
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	if !info.Mode().IsRegular() || !os.SameFile(before, info) {
		return nil, fmt.Errorf("read state: %s was exchanged while it was being read", name)
	}
	return d.readAll(f, name, info.Size())
}

func (d Dir) readAll(f io.Reader, name string, size int64) ([]byte, error) {
	if d.MaxBytes > 0 {
		if size > d.MaxBytes {
			return nil, fmt.Errorf("read state: %s has %d bytes, and the limit is %d", name, size, d.MaxBytes)
		}
		f = io.LimitReader(f, d.MaxBytes)
	}
	state, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	if len(state) == 0 {
		return nil, nil
	}
	if !json.Valid(state) {
		return nil, fmt.Errorf("read state: %s is not whole (%d bytes that are no JSON document), so it is not delivered", name, len(state))
	}
	return state, nil
}

func (d Dir) path(name string) string { return filepath.Join(d.Path, name) }

func kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}
