package registry

import (
	"context"
	"runtime"
	"sync"

	"github.com/provisor/provisor/host/internal/plugin"
)

// shelf holds the compiled versions of plugins for as long as somebody holds them.
type shelf struct {
	mu       sync.Mutex
	versions map[string]*version
}

// version is a compiled version of a plugin, or one that is being compiled.
type version struct {
	key string
	// holders and sessions belong to the shelf: how many hold it, and how many of them are sessions.
	holders, sessions int

	loading sync.Mutex
	// plugin is set, once, under loading. Whoever holds the version may read it.
	plugin *plugin.Plugin
}

// take holds the version with that key, and loads it if it is not there yet.
func (s *shelf) take(ctx context.Context, key string, load func(context.Context) (*plugin.Plugin, error)) (*version, error) {
	v := s.hold(key)
	v.loading.Lock()
	defer v.loading.Unlock()
	if v.plugin != nil {
		return v, nil
	}
	p, err := load(ctx)
	if err != nil {
		s.drop(v)
		return nil, err
	}
	v.plugin = p
	return v, nil
}

func (s *shelf) hold(key string) *version {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.versions[key]
	if v == nil {
		if s.versions == nil {
			s.versions = make(map[string]*version)
		}
		v = &version{key: key}
		s.versions[key] = v
	}
	v.holders++
	return v
}

// lend holds a version that is held already, for a session.
func (s *shelf) lend(v *version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.holders++
	v.sessions++
}

// giveBack undoes lend.
func (s *shelf) giveBack(v *version) {
	s.mu.Lock()
	v.sessions--
	s.mu.Unlock()
	s.drop(v)
}

// drop lets go of a version. The code of one that nobody holds is freed.
func (s *shelf) drop(v *version) {
	s.mu.Lock()
	v.holders--
	last := v.holders == 0
	if last {
		delete(s.versions, v.key)
	}
	s.mu.Unlock()
	if !last || v.plugin == nil {
		return
	}
	// Closing can't fail: there is nothing but memory.
	_ = v.plugin.Module.Close(context.Background())
	v.plugin = nil
	// The code lies outside of Go's heap and goes with its last reference there, which an idle daemon would not look for.
	runtime.GC()
}

// users are how many sessions use the version with that key, and whether it is compiled at all.
func (s *shelf) users(key string) (sessions int, compiled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.versions[key]
	if v == nil {
		return 0, false
	}
	return v.sessions, true
}
