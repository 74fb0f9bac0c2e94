// Package filecache keeps copies of files from sessions' work directories for later sessions. What a session gets back are copies
// again: no two sessions, and no session and the cache, ever share a file that one of them could write.
//
// A cache's directory, which several processes may use at once, holds
//
//	entries/HASH/manifest   what the entry consists of, with a checksum of each file
//	entries/HASH/files/N    the content of the manifest's N-th file
//	locks/XX                locked (flock): shared while an entry with that first byte is read, exclusively while one goes
//	staging/NAME/           entries that are being written or removed
//
// An entry appears whole, by being renamed out of staging, and never changes afterwards.
package filecache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"github.com/provisor/provisor/abi"
)

// DefaultMaxBytes is how large a cache may be.
const DefaultMaxBytes = 10 << 30

// Options of a cache.
type Options struct {
	// Dir is the cache's directory; it is made (0700) where it is missing.
	Dir string
	// LinkTargets are the directories that kept symlinks may point into: the operator's own, which no session writes.
	LinkTargets []string
	// MaxBytes bounds all entries together: the least recently used ones go. 0 = DefaultMaxBytes.
	MaxBytes int64
	// MaxEntryBytes and MaxEntryFiles bound one entry; directories and links count as files. 0 = 4 GiB, 100 000.
	MaxEntryBytes int64
	MaxEntryFiles int
	// Log is the daemon's log; nil = none.
	Log *slog.Logger
}

// Cache keeps files. Its methods may be called by several goroutines.
type Cache struct {
	o Options
}

// The parts of a cache's directory.
const (
	entriesDir = "entries"
	locksDir   = "locks"
	stagingDir = "staging"
)

// stagingAge is how old something in staging must be to be what a dead process left. Who writes an entry for longer starts anew.
const stagingAge = 2 * time.Hour

// Open opens the cache and removes what dead processes left in it.
func Open(o Options) (*Cache, error) {
	o.fill()
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the file cache: %w", err)
	}
	o.Dir = dir
	for _, part := range []string{"", entriesDir, locksDir, stagingDir} {
		if err := os.MkdirAll(filepath.Join(dir, part), 0o700); err != nil {
			return nil, fmt.Errorf("open the file cache: %w", err)
		}
	}
	if err := checkPrivate(dir); err != nil {
		return nil, fmt.Errorf("open the file cache: %w", err)
	}
	o.LinkTargets = withRealPaths(o.LinkTargets)
	c := &Cache{o: o}
	c.sweep()
	return c, nil
}

func (o *Options) fill() {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxEntryBytes == 0 {
		o.MaxEntryBytes = 4 << 30
	}
	o.MaxEntryBytes = min(o.MaxEntryBytes, o.MaxBytes)
	if o.MaxEntryFiles == 0 {
		o.MaxEntryFiles = 100_000
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Linking is the cache with one more directory that kept symlinks may point into.
func (c *Cache) Linking(dir string) *Cache {
	more := *c
	more.o.LinkTargets = append(slices.Clone(c.o.LinkTargets), withRealPaths([]string{dir})...)
	return &more
}

// withRealPaths are the directories as they are named, and without symlinks: engines write either into their links.
func withRealPaths(dirs []string) []string {
	var all []string
	for _, dir := range dirs {
		abs, err := filepath.Abs(dir)
		if err != nil {
			continue
		}
		all = append(all, abs)
		if real, err := filepath.EvalSymlinks(abs); err == nil && real != abs {
			all = append(all, real)
		}
	}
	return all
}

// Scope is whose entries are meant: equal keys of different scopes are different entries.
type Scope []string

// entryName is the name of an entry: a hash, since keys may be any bytes. Quoted parts can't run into each other.
func entryName(s Scope, key string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", []string(s), key))
	return hex.EncodeToString(sum[:])
}

// Save keeps copies of paths below the directory work, all of them or none. An entry that is there already stays as it is. Errors
// carry an abi.Errno. The end of ctx ends it.
func (c *Cache) Save(ctx context.Context, s Scope, key, work string, paths []string) error {
	paths, err := checkPaths(paths)
	if err != nil {
		return fmt.Errorf("save to the cache: %w", err)
	}
	entry := c.path(entriesDir, entryName(s, key))
	if _, err := os.Lstat(entry); err == nil {
		return nil
	}
	if err := c.save(ctx, entry, work, paths); err != nil {
		return fmt.Errorf("save to the cache: %w", withErrno(ctx, err))
	}
	c.evict(filepath.Base(entry))
	return nil
}

func (c *Cache) save(ctx context.Context, entry, work string, paths []string) (err error) {
	staging, err := os.MkdirTemp(c.path(stagingDir), "save-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staging)) }()
	if err := c.collect(ctx, staging, work, paths); err != nil {
		return err
	}
	err = os.Rename(staging, entry)
	if _, there := os.Lstat(filepath.Join(entry, manifestName)); err != nil && (there == nil || errors.Is(err, fs.ErrExist)) {
		return nil // another session was faster, and what it has saved may be evicted by now
	}
	return err
}

// Restore puts copies of what Save kept into the directory work, in the place of what is there; false = there is no such entry. What
// is found damaged is dropped and not restored. Errors carry an abi.Errno. The end of ctx ends it.
func (c *Cache) Restore(ctx context.Context, s Scope, key, work string) (bool, error) {
	name := entryName(s, key)
	entry := c.path(entriesDir, name)
	if _, err := os.Lstat(entry); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	err := c.restore(ctx, name, work)
	var damage *damageError
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, errGone):
		return false, nil
	case errors.As(err, &damage):
		c.o.Log.Warn("a cache entry can't be used and is dropped", "entry", entry, "error", err)
		c.remove(name)
		return false, nil
	}
	return false, fmt.Errorf("restore from the cache: %w", withErrno(ctx, err))
}

// errGone is an entry that went between looking and locking.
var errGone = errors.New("the entry is gone")

func (c *Cache) restore(ctx context.Context, name, work string) error {
	lock := c.lock(name)
	if err := lock.RLock(); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	defer lock.Close()
	entry := c.path(entriesDir, name)
	if _, err := os.Lstat(entry); errors.Is(err, fs.ErrNotExist) {
		return errGone
	}
	m, err := readManifest(entry)
	if err != nil {
		return &damageError{err}
	}
	if err := c.checkLinks(m); err != nil {
		return &damageError{err}
	}
	if err := place(ctx, entry, m, work); err != nil {
		return err
	}
	now := time.Now()
	_ = os.Chtimes(filepath.Join(entry, manifestName), now, now) // when it was last used; an old time evicts it sooner, no more
	return nil
}

// damageError is what is wrong with an entry, as opposed to with the session's directory.
type damageError struct{ error }

func (e *damageError) Unwrap() error { return e.error }

func (c *Cache) path(elem ...string) string {
	return filepath.Join(append([]string{c.o.Dir}, elem...)...)
}

func (c *Cache) lock(entry string) *flock.Flock {
	return flock.New(c.path(locksDir, entry[:2]), flock.SetPermissions(0o600))
}

// withErrno gives an error the errno that the plugin sees, if it has none.
func withErrno(ctx context.Context, err error) error {
	var errno abi.Errno
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", abi.Canceled, err)
	case errors.As(err, &errno):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", abi.NotFound, err)
	}
	return fmt.Errorf("%w: %w", abi.IO, err)
}
