package recovery

import (
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// One watch serves all applies: a system has few of them to give (128 per user on many), and many more directories in each.

// watch has the keeper told of changes in its work directory. Where that can't be, it finds out when it looks by itself.
func (s *Store) watch(k *Keeper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepers[k.workDir] = k
	if s.notify == nil {
		notify, err := fsnotify.NewWatcher()
		if err != nil {
			s.o.Log.Warn("states are looked at from time to time only", "error", err)
			return
		}
		s.notify = notify
		s.watched.Go(func() { s.pass(notify) })
	}
	if err := s.notify.Add(k.workDir); err != nil {
		s.o.Log.Warn("a session's states are looked at from time to time only", "session", k.record.Session, "tenant", k.record.Tenant, "error", err)
	}
}

func (s *Store) unwatch(k *Keeper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keepers, k.workDir)
	if s.notify != nil {
		// Its only error is that there is no such watch.
		_ = s.notify.Remove(k.workDir)
	}
}

// pass tells keepers of events, until the watch is closed.
func (s *Store) pass(notify *fsnotify.Watcher) {
	for {
		select {
		case event, open := <-notify.Events:
			if !open {
				return
			}
			if event.Op != fsnotify.Chmod {
				s.tell(filepath.Dir(event.Name), filepath.Base(event.Name))
			}
		case _, open := <-notify.Errors:
			if !open {
				return
			}
			s.tellAll() // events were lost
		}
	}
}

func (s *Store) tell(dir, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.keepers[dir]; k != nil && k.watches(name) {
		k.wake()
	}
}

func (s *Store) tellAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keepers {
		k.wake()
	}
}
