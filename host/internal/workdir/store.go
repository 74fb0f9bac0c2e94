// Package workdir makes and removes the directories of sessions. Several daemons may share a root: each removes what
// dead ones left, once the states in there are safe, and none touches what a living one uses.
//
// A store's root holds
//
//	.runs/RUN.lock          locked (flock) for as long as the store of that run is open, or a process that it started holds it
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
	"time"

	"github.com/gofrs/flock"

	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/host/internal/workdir/recovery"
)

const runsDir = ".runs"

// sessionID is the form of a session's ID: the run it belongs to, a hyphen, its own part.
var sessionID = regexp.MustCompile(`^([a-z2-7]{8})-[a-z2-7]{8}$`)

// Store makes the directories of sessions below a root. Its methods may be called by several goroutines.
type Store struct {
	root     string
	run      string
	lock     *flock.Flock
	recovery *recovery.Store
	log      *slog.Logger

	stop     chan struct{}
	sweeping sync.WaitGroup
	// stays are the directories that a sweep could not remove, and why. It belongs to whoever sweeps.
	stays map[string]string

	mu sync.Mutex
	// abandoned are the sessions of this run that have ended, and whose directories hold a state that is nowhere else.
	abandoned map[string]bool
	short     string // see shortDir; empty until needed
}

// sweepEvery is how often a store looks again for runs that have ended: the processes of a dead daemon may take their time.
const sweepEvery = 30 * time.Second

// Open opens the store below root, which is made (0700) where it is missing, and removes what dead daemons left there, once the states in
// it are in the recovery store. It does so again from time to time, as long as it is open. What can't be removed is logged, and stays.
func Open(root string, states *recovery.Store, log *slog.Logger) (*Store, error) {
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
	s := &Store{
		root: root, recovery: states, log: log,
		stop: make(chan struct{}), stays: make(map[string]string), abandoned: make(map[string]bool),
	}
	if err := s.begin(); err != nil {
		return nil, fmt.Errorf("open session directories: %w", err)
	}
	s.sweep()
	s.sweeping.Go(s.sweepAgain)
	return s, nil
}

// begin takes the lock that says that this run lives.
func (s *Store) begin() error {
	const attempts = 10
	for range attempts {
		run := randomName()
		path := s.runFile(run, ".lock")
		lock := flock.New(path, flock.SetPermissions(0o600))
		// Shared with those who Hold it; a sweep wants it for itself.
		held, err := lock.TryRLock()
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
	close(s.stop)
	s.sweeping.Wait()
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

// Alive says whether somebody is at work on the session that has the ID.
func (s *Store) Alive(id string) bool {
	match := sessionID.FindStringSubmatch(id)
	if match == nil {
		return false
	}
	dead := false
	if match[1] != s.run {
		s.ifDead(match[1], func() { dead = true })
	}
	return !dead
}

// Abandon leaves the directories of a session that has ended, which hold a state that could not be copied, to the next sweep that can.
func (s *Store) Abandon(session *Session, why error) {
	s.log.Error("a session's directories stay, since a state in there could not be saved", "directory", session.Root, "error", why)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandoned[session.ID] = true
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
