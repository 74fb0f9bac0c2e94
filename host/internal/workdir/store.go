// Package workdir makes and removes the directories of sessions. Several daemons may share a root: each removes what
// dead ones left, and none touches what a living one uses.
//
// A store's root holds
//
//	.runs/RUN.lock          locked (flock) for as long as the store of that run is open
//	.runs/RUN.short         where the run keeps directories whose path must be short, if it has any
//	TENANT/RUN-SESSION/     the directories of one session
//
// A session's directory is swept when nobody holds the lock of its run. Anything else below a tenant's directory is left
// alone, so that what has to outlive a session has a place beside it: TENANT/.NAME.
package workdir

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/gofrs/flock"

	"github.com/provisor/provisor/host/internal/tenant"
)

const runsDir = ".runs"

// sessionID is the form of a session's ID: the run it belongs to, a hyphen, its own part.
var sessionID = regexp.MustCompile(`^([a-z2-7]{8})-[a-z2-7]{8}$`)

// Store makes the directories of sessions below a root. Its methods may be called by several goroutines.
type Store struct {
	root string
	run  string
	lock *flock.Flock
	log  *slog.Logger

	mu    sync.Mutex
	short string // see shortDir; empty until needed
}

// Open opens the store below root, which is made (0700) where it is missing, and removes what dead daemons left there.
// What can't be removed is logged and left for the next time.
func Open(root string, log *slog.Logger) (*Store, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("open session directories: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(root, runsDir), 0o700); err != nil {
		return nil, fmt.Errorf("open session directories: %w", err)
	}
	if err := checkPrivate(root); err != nil {
		return nil, fmt.Errorf("open session directories: %w", err)
	}
	s := &Store{root: root, log: log}
	if err := s.begin(); err != nil {
		return nil, fmt.Errorf("open session directories: %w", err)
	}
	s.sweep()
	return s, nil
}

// begin takes the lock that says that this run lives.
func (s *Store) begin() error {
	const attempts = 10
	for range attempts {
		run := randomName()
		path := s.runFile(run, ".lock")
		lock := flock.New(path, flock.SetPermissions(0o600))
		held, err := lock.TryLock()
		if err != nil {
			return fmt.Errorf("lock %s: %w", path, err)
		}
		// Another store's sweep may have seen the new file before it was locked, and removed it.
		if _, err := os.Lstat(path); held && err == nil {
			s.run, s.lock = run, lock
			return nil
		}
		_ = lock.Close()
	}
	return fmt.Errorf("lock a file in %s: something removed it %d times", filepath.Join(s.root, runsDir), attempts)
}

// Create makes the directories of a new session of the tenant, all empty and 0700.
func (s *Store) Create(t tenant.Tenant) (*Session, error) {
	if t == (tenant.Tenant{}) {
		return nil, errors.New("make a session's directories: no tenant is given")
	}
	dir := filepath.Join(s.root, t.Name())
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make a session's directories: %w", err)
	}
	session, err := s.newSession(dir)
	if err != nil {
		return nil, fmt.Errorf("make a session's directories: %w", err)
	}
	return session, nil
}

// Close lets go of the store. Sessions that were not removed are left to the next sweep.
func (s *Store) Close() error {
	var errs []error
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.short != "" {
		// Only if it is empty: a session that is left still has its directory in there.
		if err := os.Remove(s.short); err == nil || errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, ignoreMissing(os.Remove(s.runFile(s.run, ".short"))))
		}
		s.short = ""
	}
	// While the lock is held: once it is not, a sweep may do the same. Windows removes no open file, so there it stays
	// for the next sweep.
	_ = os.Remove(s.lock.Path())
	errs = append(errs, s.lock.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close session directories: %w", err)
	}
	return nil
}

func (s *Store) runFile(run, suffix string) string {
	return filepath.Join(s.root, runsDir, run+suffix)
}

// randomName is 40 random bits, safe in any path.
func randomName() string {
	b := make([]byte, 5)
	rand.Read(b)
	return strings.ToLower(base32.StdEncoding.EncodeToString(b))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
