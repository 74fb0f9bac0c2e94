package host

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/provisor/provisor/host/internal/plugin/registry"
)

// Change is other options for a runtime, found good and not in force yet.
type Change struct {
	runtime *Runtime
	setup   *setup
	plugins *registry.Preparation
}

// Prepare gets all ready for other options: engines are found, directories made, plugins installed. Nothing changes for sessions before Commit,
// which can't fail; where it is not to be, Discard must be called. No two changes may be prepared at once.
func (r *Runtime) Prepare(ctx context.Context, o Options) (*Change, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	if err := r.checkFixed(o); err != nil {
		return nil, err
	}
	s, err := newSetup(o, r.jail)
	if err != nil {
		return nil, err
	}
	// All engines are wanted if any was: a plugin asks for whichever its tenant has.
	if err := s.findEngines(ctx, r.setup.Load().found()); err != nil {
		return nil, err
	}
	plugins, err := r.plugins.Prepare(ctx, o.declared())
	if err != nil {
		return nil, err
	}
	// A plugin that is new may be the first that asks for an engine.
	if err := s.findEngines(ctx, r.setup.Load().found()); err != nil {
		plugins.Discard()
		return nil, err
	}
	return &Change{r, s, plugins}, nil
}

// checkFixed says which options can't change any more.
func (r *Runtime) checkFixed(o Options) error {
	old := r.options
	var errs []error
	for _, f := range []struct {
		setting string
		same    bool
	}{
		{"data_dir", old.DataDir == o.DataDir},
		{"cache_dir", old.CacheDir == o.CacheDir},
		{"min_free", old.MinFree == o.MinFree},
		{"ballast", old.Ballast == o.Ballast},
		{"max_kept", old.MaxKept == o.MaxKept},
		{"limits on compiling plugins (module_bytes, compile_millis, compile_bytes)", compileLimits(old.limits()) == compileLimits(o.limits())},
		{"require in jail", slices.Equal(old.Jail.Require, o.Jail.Require)},
		{"uids in jail", old.Jail.Users == o.Jail.Users},
		{"disable in jail", slices.Equal(old.Jail.Disable, o.Jail.Disable)},
	} {
		if !f.same {
			errs = append(errs, fmt.Errorf("%s can't change while the daemon runs: restart it, or leave it as it is", f.setting))
		}
	}
	return errors.Join(errs...)
}

// Commit puts the options into force for sessions that begin from now on. Those that are open keep what they began with.
func (c *Change) Commit() {
	c.runtime.setup.Store(c.setup)
	c.plugins.Commit()
	c.runtime.queue.Configure(c.setup.options.Concurrency, c.setup.options.share)
}

// Discard leaves all as it was.
func (c *Change) Discard() { c.plugins.Discard() }
