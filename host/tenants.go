package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host/internal/engine"
	"github.com/provisor/provisor/host/internal/engine/providercache"
	"github.com/provisor/provisor/host/internal/filecache"
	"github.com/provisor/provisor/host/internal/queue"
	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/proto/guestpb"
)

// TenantOptions are what a tenant's sessions have of their own. A zero field means what the runtime's options say of all.
type TenantOptions struct {
	// Engine is the name of one of the runtime's engines; empty = the first.
	Engine string
	// Plugin is one of those that the options declare; empty = the first of them, unless an operator says otherwise.
	Plugin PluginRef
	// Env is what the engine gets over its own EngineOptions.Env, in the same form.
	Env []string
	// Limits bound a request or session, and ExitTimeout and GracePeriod the end of one.
	Limits                   *guestpb.Limits
	ExitTimeout, GracePeriod time.Duration
	// Weight is the tenant's part of the time in which requests run, relative to others that want some. 0 = 1.
	Weight int
	// Concurrency is how many of its requests run at once. 0 = all that may, or all but one where there are other tenants.
	Concurrency int
	// Queue is how many of its new sessions may wait for their turn. 0 = DefaultQueue.
	Queue int
	// Sessions is how many of its sessions may be open. 0 = DefaultSessions.
	Sessions int
	// Disk is how many bytes its sessions, its caches and the states that are kept for it may hold in all for a new session to open; the caches have
	// at most half of it. 0 = any number.
	Disk int64
}

// What a tenant among others may have unless its options say otherwise.
const (
	DefaultQueue    = 100
	DefaultSessions = 1000
)

// The names of a tenant's settings, for messages.
const (
	settingQueue    = "queue"
	settingSessions = "sessions"
	settingDisk     = "disk"
)

// profile is what sessions of a tenant are made from.
type profile struct {
	tenant tenant.Tenant
	// options are the runtime's as they were.
	options Options
	// limits are those of all, with the tenant's own over them.
	limits, own *guestpb.Limits
	exitTimeout time.Duration
	gracePeriod time.Duration
	// sessions is how many may be open; 0 = any number.
	sessions int
	// disk is how many bytes its directories may hold; 0 = any number.
	disk   int64
	engine *engineSlot
	// env is what the engine gets for the tenant, as NAME=VALUE.
	env   []string
	files *filecache.Cache
	// providers are kept for later sessions; nil = they are not.
	providers *providercache.Cache
}

// newProfile puts together what the options say of all and of the tenant.
func (s *setup) newProfile(t tenant.Tenant, o TenantOptions) (*profile, error) {
	p := &profile{
		tenant: t, options: s.options, sessions: o.Sessions, disk: o.Disk,
		limits: s.options.limits(), own: o.Limits, exitTimeout: s.options.ExitTimeout, gracePeriod: s.options.GracePeriod,
	}
	if p.sessions == 0 && s.options.Tenants != nil {
		p.sessions = DefaultSessions
	}
	if o.Limits != nil {
		proto.Merge(p.limits, o.Limits)
	}
	if o.ExitTimeout != 0 {
		p.exitTimeout = o.ExitTimeout
	}
	if o.GracePeriod != 0 {
		p.gracePeriod = o.GracePeriod
	}
	var err error
	if p.engine, err = s.engineOf(o.Engine); err != nil {
		return nil, fmt.Errorf("tenant %s: %w", t, err)
	}
	if p.env, err = engine.ResolveEnv(o.Env); err != nil {
		return nil, fmt.Errorf("tenant %s: %w", t, err)
	}
	dir, err := s.options.cacheOf(t)
	if err != nil {
		return nil, fmt.Errorf("tenant %s: %w", t, err)
	}
	if p.providers, err = s.options.openProviders(t, dir, o.Disk); err != nil {
		return nil, err
	}
	p.files, err = filecache.Open(filecache.Options{
		Dir: filepath.Join(dir, "files"), LinkTargets: engine.Mirrors(p.engine.options), MaxBytes: cacheBytes(filecache.DefaultMaxBytes, o.Disk), Log: s.options.Log,
	})
	return p, err
}

// cacheOf makes the tenant's directory in the cache, which nobody else gets into.
func (o Options) cacheOf(t tenant.Tenant) (string, error) {
	dir := o.cacheDir(t)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.Chmod(dir, 0o700) // it may have been made by somebody who was not so careful
	}
	return dir, err
}

func (o Options) cacheDir(t tenant.Tenant) string {
	return filepath.Join(o.CacheDir, "tenants", t.Name())
}

// share is the tenant's part of the queue.
func (o Options) share(t string) queue.Share {
	for known, own := range o.Tenants {
		if known.Name() != t {
			continue
		}
		s := queue.Share{Weight: own.Weight, Concurrency: own.Concurrency, Waiting: own.Queue}
		if s.Concurrency == 0 && len(o.Tenants) > 1 {
			// A flood by one tenant leaves a place to the others.
			s.Concurrency = max(1, o.Concurrency-1)
		}
		if s.Waiting == 0 {
			s.Waiting = DefaultQueue
		}
		return s
	}
	return queue.Share{}
}

// enter counts a session of the tenant in, or says why it may not open.
func (r *Runtime) enter(p *profile) (leave func(), err error) {
	t, limit := p.tenant, p.sessions
	if err := r.room(p); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if limit > 0 && r.open[t] >= limit {
		return nil, &tenant.QuotaError{Tenant: t, Used: fmt.Sprintf("%d sessions are open", r.open[t]), Setting: settingSessions}
	}
	r.open[t]++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.open[t]--; r.open[t] == 0 {
			delete(r.open, t)
		}
	}, nil
}

// turn takes a place among the requests that wait to run.
func (r *Runtime) turn(t tenant.Tenant, begun bool) (*queue.Ticket, error) {
	ticket, err := r.queue.Ask(t.Name(), begun)
	if full := (*queue.FullError)(nil); errors.As(err, &full) {
		return nil, &tenant.QuotaError{Tenant: t, Used: fmt.Sprintf("%d sessions wait for their turn", full.Waiting), Setting: settingQueue}
	}
	return ticket, err
}
