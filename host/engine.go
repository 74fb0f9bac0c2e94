package host

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/provisor/provisor/host/internal/engine"
	"github.com/provisor/provisor/host/internal/exec/jail"
)

// engineProgram is the logical name under which plugins ask for the engine, whichever it is.
const engineProgram = "terraform"

// EngineOptions are an engine that tenants can be given.
type EngineOptions struct {
	// Name is what tenants' options call it.
	Name string
	// Path is the binary's. Empty = terraform, then tofu on the PATH, then an OpenTofu that is built.
	Path string
	// Version is which versions will do: "1.11.4", or constraints as Terraform writes them, "~> 1.11". Empty = any.
	Version string
	// Mirror is a directory of providers that it looks into first. Empty = the one in the cache directory.
	Mirror string
	// Env is what it gets of this process's environment: NAME lets the variable through, NAME=VALUE sets it.
	Env []string
	// Jail is what its jail has beside what Options.Jail says of all: more layers that are required or left out, more to be seen, and other
	// requests without the network, unless Offline is nil.
	Jail JailOptions
}

// engineSlot is a place for an engine, which is looked for when the first plugin asks for it: where there is none, one is built.
type engineSlot struct {
	// EngineOptions have in Jail all that holds for this engine.
	EngineOptions
	options engine.Options
	jail    *jail.Jail
	finding sync.Mutex
	found   atomic.Pointer[engine.Engine]
}

// newEngineSlot makes a place in a jail that is made of the one for all.
func newEngineSlot(o *Options, e EngineOptions, all *jail.Jail) (_ *engineSlot, err error) {
	s := &engineSlot{EngineOptions: e, options: o.engineOptions(e)}
	if s.Jail, err = o.Jail.of(e.Jail); err == nil {
		s.jail, err = all.With(e.Jail.Require, e.Jail.Disable)
	}
	if err != nil && e.Name != "" {
		err = fmt.Errorf("engine %q: %w", e.Name, err)
	}
	return s, err
}

func (s *engineSlot) find(ctx context.Context) (*engine.Engine, error) {
	s.finding.Lock()
	defer s.finding.Unlock()
	before := s.found.Load()
	if before != nil && !before.Replaced() {
		return before, nil
	}
	e, err := engine.Find(ctx, s.options)
	if err != nil && s.Name != "" {
		err = fmt.Errorf("engine %q: %w", s.Name, err)
	}
	if err != nil {
		return nil, err
	}
	if before != nil && (e.Name != before.Name || e.Version != before.Version) {
		s.options.Log.Info("the engine has been replaced", "path", e.Path, "was", before.Name+" "+before.Version, "is", e.Name+" "+e.Version)
	}
	s.found.Store(e)
	return e, nil
}

// current is the engine, or nil where none was looked for. An operator may replace its binary at any time.
func (s *engineSlot) current(ctx context.Context) (*engine.Engine, error) {
	e := s.found.Load()
	if e == nil || !e.Replaced() {
		return e, nil
	}
	return s.find(ctx)
}

// engines are the engines that there are, one at least.
func (o *Options) engines() []EngineOptions {
	if len(o.Engines) > 0 {
		return o.Engines
	}
	return []EngineOptions{{Path: o.Engine, Mirror: o.Mirror, Env: o.EngineEnv}}
}

func (o *Options) engineOptions(e EngineOptions) engine.Options {
	found := engine.Options{Path: e.Path, Version: e.Version, CacheDir: o.CacheDir, Env: e.Env, Log: o.Log, Progress: o.Progress}
	if e.Mirror != "" {
		found.Mirrors = []string{e.Mirror}
	}
	return found
}
