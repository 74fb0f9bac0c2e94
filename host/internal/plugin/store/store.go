// Package store keeps installed plugins and what was chosen of them on the disk. Whatever happens at whatever moment, what is there
// afterwards is the state before a change or the one after it, and every version in it has its file.
//
// A store's directory holds
//
//	lock                    locked (flock) by the daemon that may change something here
//	state.json              the State
//	modules/SHA256.wasm     the file of each version
//
// A module appears whole, before a state refers to it, and goes after the last state that does. What no state refers to is removed when
// the store is opened.
package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

const (
	lockName   = "lock"
	stateName  = "state.json"
	modulesDir = "modules"
	moduleExt  = ".wasm"
)

// ErrReadOnly is why nothing can be changed: another daemon has the directory.
var ErrReadOnly = errors.New("another daemon that is running keeps its plugins in the same directory: ask that one, or give this one a --data-dir of its own")

// Store is an open store. One goroutine at a time may change it.
type Store struct {
	dir   string
	lock  *flock.Flock // nil = another daemon has it
	state *State
}

// Open opens the store, which is made (0700) where it is missing. Where another daemon has it, it can only be read.
func Open(dir string, log *slog.Logger) (_ *Store, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("open the directory of plugins: %w", err)
		}
	}()
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, modulesDir), 0o700); err != nil {
		return nil, err
	}
	if err := checkPrivate(dir); err != nil {
		return nil, err
	}
	s := &Store{dir: dir}
	lock := flock.New(filepath.Join(dir, lockName), flock.SetPermissions(0o600))
	switch held, err := lock.TryLock(); {
	case err != nil:
		return nil, err
	case held:
		s.lock = lock
	}
	if s.state, err = s.read(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.lock != nil {
		s.sweep(log)
	}
	return s, nil
}

// Close lets go of the store.
func (s *Store) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// ReadOnly says whether another daemon has the store.
func (s *Store) ReadOnly() bool { return s.lock == nil }

// State is the state, to be read only.
func (s *Store) State() *State { return s.state }

func (s *Store) read() (*State, error) {
	path := filepath.Join(s.dir, stateName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &State{Format: format}, nil
	}
	if err != nil {
		return nil, err
	}
	state, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s is broken: %w; put a copy of it back, or move it away to begin with no plugins installed", path, err)
	}
	return state, nil
}

// Save replaces the state.
func (s *Store) Save(state *State) error {
	if s.ReadOnly() {
		return ErrReadOnly
	}
	b, err := state.Encode()
	if err == nil {
		err = s.replace(filepath.Join(s.dir, stateName), b)
	}
	if err != nil {
		return fmt.Errorf("keep the state of the plugins: %w", err)
	}
	s.state = state
	return nil
}

// Add keeps a module, for a state that refers to its digest. One that is there already is written again, in case it was damaged.
func (s *Store) Add(digest string, module []byte) error {
	if s.ReadOnly() {
		return ErrReadOnly
	}
	if err := s.replace(s.path(digest), module); err != nil {
		return fmt.Errorf("keep the plugin's file: %w", err)
	}
	return nil
}

// Remove removes a module that no state refers to any more. One that can't be removed goes when the store is opened again.
func (s *Store) Remove(digest string) error {
	if s.ReadOnly() {
		return ErrReadOnly
	}
	return os.Remove(s.path(digest))
}

// Module reads a module and checks that its bytes are what was installed.
func (s *Store) Module(digest string) ([]byte, error) {
	path := s.path(digest)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read an installed plugin: %w", err)
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("the installed plugin %s is damaged: its bytes have another SHA-256; install it anew", path)
	}
	return b, nil
}

// replace replaces a file, whole or not at all. What a crash leaves of that lies where sweep finds it.
func (s *Store) replace(path string, content []byte) error {
	return replace(path, content, filepath.Join(s.dir, modulesDir))
}

func (s *Store) path(digest string) string { return filepath.Join(s.dir, modulesDir, digest+moduleExt) }

// sweep removes modules that no version has: those of an installation or removal that was cut off.
func (s *Store) sweep(log *slog.Logger) {
	known := make(map[string]bool)
	for _, p := range s.state.Plugins {
		for _, v := range p.Versions {
			known[v.Digest] = true
		}
	}
	dir := filepath.Join(s.dir, modulesDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		log.Warn("what may be left of plugins is not removed", "error", err)
	}
	for _, e := range entries {
		if known[strings.TrimSuffix(e.Name(), moduleExt)] {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			log.Warn("what is left of a plugin is not removed", "error", err)
		}
	}
}
