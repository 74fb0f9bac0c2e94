package workdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// socketDirMax is the longest path of an engine's temporary directory, in bytes. Providers listen on a unix socket in
// there, whose path may have 104 bytes in all on some systems.
const socketDirMax = 84

// Session is the directories of one session, as absolute paths. Each is private to it.
type Session struct {
	// ID names the session among all that share the root; it is safe as a path element.
	ID string
	// Root holds the others, and what the host itself keeps for the session.
	Root string
	// Work is the template's directory, Tmp the plugin's scratch: /work and /tmp of the instance.
	Work, Tmp string
	// Home and EngineTmp are HOME and TMPDIR of the engine; the plugin does not see them. EngineTmp may lie outside Root:
	// its path is short enough for unix sockets.
	Home, EngineTmp string
}

// newSession makes a session's directories below a tenant's.
func (s *Store) newSession(tenantDir string) (*Session, error) {
	id := s.run + "-" + randomName()
	root := filepath.Join(tenantDir, id)
	if err := os.Mkdir(root, 0o700); err != nil {
		return nil, err
	}
	session := &Session{
		ID:        id,
		Root:      root,
		Work:      filepath.Join(root, "work"),
		Tmp:       filepath.Join(root, "tmp"),
		Home:      filepath.Join(root, "home"),
		EngineTmp: filepath.Join(root, "run"),
	}
	if len(session.EngineTmp) > socketDirMax {
		short, err := s.shortDir()
		if err != nil {
			return nil, errors.Join(err, session.Remove())
		}
		session.EngineTmp = filepath.Join(short, id[len(s.run)+1:])
	}
	for _, dir := range []string{session.Work, session.Tmp, session.Home, session.EngineTmp} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, errors.Join(err, session.Remove())
		}
	}
	return session, nil
}

// Places are the directories that hold all of the session's files. None is a part of another.
func (s *Session) Places() []string {
	places := []string{s.Root}
	if filepath.Dir(s.EngineTmp) != s.Root {
		places = append(places, s.EngineTmp)
	}
	return places
}

// Remove removes the session's directories with all that is in them, whatever its owner did to it. No process of the
// session may be left. It may be called again.
func (s *Session) Remove() error {
	var errs []error
	for _, place := range s.Places() {
		errs = append(errs, removeTree(place))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the directories of session %s: %w", s.ID, err)
	}
	return nil
}

// shortDir is the run's directory in the system's own temporary directory, for what must have a short path. A file beside
// the run's lock says where it is, so that a sweep finds it.
func (s *Store) shortDir() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.short != "" {
		return s.short, nil
	}
	dir := filepath.Join(os.TempDir(), shortName(s.run))
	if longest := len(dir) + 1 + len(randomName()); longest > socketDirMax {
		return "", fmt.Errorf("the paths below %s and %s are too long for unix sockets: choose a shorter directory", s.root, os.TempDir())
	}
	if err := os.WriteFile(s.runFile(s.run, ".short"), []byte(dir), 0o600); err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	s.short = dir
	return dir, nil
}

func shortName(run string) string { return "provisor-" + run }
