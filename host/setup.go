package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/provisor/provisor/host/internal/exec/jail"
	"github.com/provisor/provisor/host/internal/tenant"
)

// setup is what new sessions are made from. A change of the options replaces it; sessions keep the one that they began with.
type setup struct {
	options Options
	// engines are the engines by name, first is the name of the first.
	engines map[string]*engineSlot
	first   string

	mu       sync.Mutex
	profiles map[tenant.Tenant]*profile
}

// newSetup gets ready what the options say, in that jail, but for engines: those are looked for when a plugin asks for one.
func newSetup(o Options, j *jail.Jail) (*setup, error) {
	s := &setup{options: o, engines: make(map[string]*engineSlot), profiles: make(map[tenant.Tenant]*profile)}
	engines := o.engines()
	s.first = engines[0].Name
	for _, e := range engines {
		slot, err := newEngineSlot(&o, e, j)
		if err != nil {
			return nil, err
		}
		s.engines[e.Name] = slot
	}
	// The tenants that there are may be known, and what is wrong with one is to be found out now.
	for _, t := range slices.SortedFunc(maps.Keys(o.Tenants), func(a, b tenant.Tenant) int { return cmp.Compare(a.Name(), b.Name()) }) {
		if _, err := s.profile(t); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *setup) engineOf(name string) (*engineSlot, error) {
	if name == "" {
		name = s.first
	}
	if e := s.engines[name]; e != nil {
		return e, nil
	}
	return nil, fmt.Errorf("there is no engine %q", name)
}

// profile is that of the tenant.
func (s *setup) profile(t tenant.Tenant) (*profile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.profiles[t]; p != nil {
		return p, nil
	}
	o, ok := s.options.Tenants[t]
	if !ok && s.options.Tenants != nil {
		return nil, fmt.Errorf("tenant %s: %w", t, tenant.ErrUnknown)
	}
	p, err := s.newProfile(t, o)
	if err == nil {
		s.profiles[t] = p
	}
	return p, err
}

// findEngines finds all engines, or those whose path or version is named.
func (s *setup) findEngines(ctx context.Context, all bool) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.engines)) {
		if e := s.engines[name]; all || e.Path != "" || e.Version != "" {
			_, err := e.find(ctx)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// found says whether an engine was looked for.
func (s *setup) found() bool {
	for _, e := range s.engines {
		if e.found.Load() != nil {
			return true
		}
	}
	return false
}
