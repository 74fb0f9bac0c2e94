// Package recovery keeps the states of applies until they have reached the client: from the moment that an apply begins, each complete
// state that the engine writes is copied aside. What could not be delivered stays, whatever ended the apply, until a person discards it.
//
// A store's directory, which several processes may use at once, holds
//
//	TENANT/ID/record                  who, what and when: see Record
//	TENANT/ID/SEQUENCE-SHA256-FILE    copies of the states; the newest whole one of each file counts
//	TENANT/.gone-…                    what is being removed
//	.ballast                          space that is given up when the disk is full
//
// A record is written before the apply begins. Until it says why it is kept, its states are in use by the run that its session belongs to;
// when that run is dead, Rescue settles it.
package recovery

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/fsnotify/fsnotify"

	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/host/internal/workdir/recovery/copies"
)

// Options of a store.
type Options struct {
	// Dir is the store's directory; it is made (0700) where it is missing.
	Dir string
	// MinFree is how many bytes must be free where an apply is to begin; 0 = it begins in any case.
	MinFree int64
	// Ballast is the size, in bytes, of what is given up when the disk is full; 0 = there is none.
	Ballast int64
	// MaxKept is how many bytes one tenant's records may have before its applies are refused; 0 = as many as the disk takes. Nobody but a
	// person removes them.
	MaxKept int64
	// Log is the daemon's log; nil = none.
	Log *slog.Logger
}

// Store keeps states. Its methods may be called by several goroutines.
type Store struct {
	o      Options
	reader copies.Reader
	// rescued counts records: see Rescued.
	rescued atomic.Int32
	// space is held while the ballast is made or given up.
	space sync.Mutex

	mu      sync.Mutex
	keepers map[string]*Keeper // by work directory
	notify  *fsnotify.Watcher  // made for the first apply; nil where there can be none
	watched sync.WaitGroup
}

// gonePrefix begins the names of what is being removed.
const gonePrefix = ".gone-"

// Open opens the store.
func Open(o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the recovery directory: %w", err)
	}
	o.Dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the recovery directory: %w", err)
	}
	s := &Store{o: o, reader: copies.NewReader(), keepers: make(map[string]*Keeper)}
	s.sweep()
	s.ensureBallast()
	return s, nil
}

// Close ends the store. No apply may be under way.
func (s *Store) Close() error {
	s.mu.Lock()
	notify := s.notify
	s.notify = nil
	s.mu.Unlock()
	if notify == nil {
		return nil
	}
	err := notify.Close()
	s.watched.Wait()
	return err
}

// sweep removes what was being removed when its process died.
func (s *Store) sweep() {
	gone, err := filepath.Glob(s.path("*", gonePrefix+"*"))
	for _, dir := range gone {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		s.o.Log.Warn("what is left of delivered states stays for now", "error", err)
	}
}

// Begin makes a record and begins to copy the states of an apply whose work directory is work. An error means that the apply must not
// begin.
func (s *Store) Begin(r Record, work string) (*Keeper, error) {
	r.clean()
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("make a recovery record: %w", err)
	}
	if err := s.checkRoom(r.Tenant, work); err != nil {
		return nil, err
	}
	k, err := s.begin(r, work)
	if err != nil {
		return nil, fmt.Errorf("make a recovery record: %w", err)
	}
	k.begin()
	return k, nil
}

func (s *Store) begin(r Record, work string) (_ *Keeper, err error) {
	dir, err := s.makeDir(r)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.remove(dir))
		}
	}()
	if err := writeRecord(dir, &r); err != nil {
		return nil, err
	}
	for _, d := range []string{filepath.Dir(dir), s.o.Dir} { // where dir, and the tenant's directory, have appeared
		if err := copies.SyncDir(d); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(work)
	if err != nil {
		return nil, err
	}
	return newKeeper(s, r, dir, work, root), nil
}

// makeDir makes the directory of a new record. A session's applies have one each.
func (s *Store) makeDir(r Record) (string, error) {
	if err := os.Mkdir(s.path(r.Tenant), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	for n := 1; ; n++ {
		dir := s.path(r.Tenant, fmt.Sprintf("%s.%d", r.Directory, n))
		if err := os.Mkdir(dir, 0o700); err == nil || !errors.Is(err, fs.ErrExist) {
			return dir, err
		}
	}
}

// rewrite replaces a record, on a full disk too as long as there is any ballast.
func (s *Store) rewrite(dir string, r *Record) error {
	err := writeRecord(dir, r)
	if copies.IsFull(err) {
		s.release("a recovery record could not be written")
		err = writeRecord(dir, r)
	}
	return err
}

func writeRecord(dir string, r *Record) error {
	b, err := r.encode()
	if err != nil {
		return err
	}
	return copies.Replace(dir, recordName, b, true)
}

// remove removes a record with its states. It goes at once: nobody sees half of it.
func (s *Store) remove(dir string) error {
	gone := filepath.Join(filepath.Dir(dir), gonePrefix+filepath.Base(dir))
	if err := os.Rename(dir, gone); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

func isGone(dir string) bool {
	_, err := os.Lstat(dir)
	return errors.Is(err, fs.ErrNotExist)
}

// dirs lists the directories of records: of one session, or of all where directory is empty.
func (s *Store) dirs(directory string) ([]string, error) {
	tenants, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, t := range tenants {
		if _, err := tenant.Parse(t.Name()); err != nil || !t.IsDir() {
			continue
		}
		entries, err := os.ReadDir(s.path(t.Name()))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			of, _, _ := strings.Cut(e.Name(), ".")
			if e.IsDir() && of != "" && (directory == "" || of == directory) {
				dirs = append(dirs, s.path(t.Name(), e.Name()))
			}
		}
	}
	return dirs, nil
}

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.o.Dir}, elem...)...)
}
