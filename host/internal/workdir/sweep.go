package workdir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/provisor/provisor/host/internal/tenant"
)

// sweepAgain sweeps from time to time, until the store is closed.
func (s *Store) sweepAgain() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.sweep()
		case <-s.stop:
			return
		}
	}
}

// sweep removes what runs left whose lock nobody holds.
func (s *Store) sweep() {
	removed := 0
	for _, dir := range s.sessionDirs() {
		s.ifOver(filepath.Base(dir), func() {
			if s.clear(dir) {
				removed++
			}
		})
	}
	s.settle()
	for _, name := range s.deadFiles() {
		run, _, _ := strings.Cut(name, ".")
		s.ifDead(run, func() { s.forget(run) })
	}
	if removed > 0 {
		s.log.Info("removed session directories that dead daemons left", "count", removed)
	}
}

// clear removes a session's directories, once its states are in the recovery store.
func (s *Store) clear(dir string) bool {
	err := s.recovery.Rescue(filepath.Base(dir), filepath.Join(dir, "work"))
	if err == nil {
		err = removeTree(dir)
	}
	if err == nil {
		delete(s.stays, dir)
		return true
	}
	if text := err.Error(); s.stays[dir] != text { // said once
		s.stays[dir] = text
		s.log.Warn("a dead session's directory stays", "directory", dir, "error", err)
	}
	return false
}

// settle settles the records of sessions that are over and have no directory.
func (s *Store) settle() {
	ids, err := s.recovery.Unsettled()
	if err != nil {
		s.log.Warn("can't look for states that dead daemons left", "error", err)
	}
	for _, id := range ids {
		if found, err := filepath.Glob(filepath.Join(s.root, "*", id)); !sessionID.MatchString(id) || err != nil || len(found) > 0 {
			continue
		}
		s.ifOver(id, func() {
			if err := s.recovery.Rescue(id, filepath.Join(s.root, "gone", "work")); err != nil {
				s.log.Warn("can't settle a recovery record", "error", err)
			}
		})
	}
}

// ifOver calls f if the session that has the ID is over.
func (s *Store) ifOver(id string, f func()) {
	run := sessionID.FindStringSubmatch(id)[1]
	if run != s.run {
		s.ifDead(run, f)
		return
	}
	s.mu.Lock()
	over := s.abandoned[id]
	s.mu.Unlock()
	if over {
		f()
	}
}

// sessionDirs lists the directories of sessions.
func (s *Store) sessionDirs() []string {
	var dirs []string
	for _, t := range s.list(s.root) {
		if _, err := tenant.Parse(t.Name()); err != nil || !t.IsDir() {
			continue
		}
		for _, d := range s.list(filepath.Join(s.root, t.Name())) {
			if sessionID.MatchString(d.Name()) && d.IsDir() {
				dirs = append(dirs, filepath.Join(s.root, t.Name(), d.Name()))
			}
		}
	}
	return dirs
}

// deadFiles lists the files of other runs.
func (s *Store) deadFiles() []string {
	var names []string
	for _, f := range s.list(filepath.Join(s.root, runsDir)) {
		if run, _, _ := strings.Cut(f.Name(), "."); run != s.run && sessionID.MatchString(run+"-"+run) {
			names = append(names, f.Name())
		}
	}
	return names
}

func (s *Store) list(dir string) []fs.DirEntry {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("can't look for what dead daemons left", "directory", dir, "error", err)
	}
	return entries
}

// ifDead calls f if the run is over: its lock is there before its first directory and goes after its last, so a run
// without a lock is over as well. Nobody else cleans up after the run while f does.
func (s *Store) ifDead(run string, f func()) {
	path := s.runFile(run, ".lock")
	lock := flock.New(path, flock.SetFlag(os.O_RDWR)) // without making it
	held, err := lock.TryLock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		s.log.Warn("can't tell whether another daemon lives: its directories stay", "lock", path, "error", err)
		return
	case !held:
		return
	}
	f()
	_ = lock.Close()
}

// forget removes a dead run's short directory and then its files.
func (s *Store) forget(run string) {
	where := s.runFile(run, ".short")
	dir, err := os.ReadFile(where)
	// Only a path that this package makes: the file is no more than a hint where to look.
	if err == nil && filepath.IsAbs(string(dir)) && filepath.Base(string(dir)) == shortName(run) {
		if err := removeTree(string(dir)); err != nil {
			s.log.Warn("a dead daemon's directory stays", "directory", string(dir), "error", err)
			return
		}
	}
	for _, file := range []string{where, s.runFile(run, ".lock")} {
		_ = os.Remove(file) // Windows removes no open file; it does no harm
	}
}
