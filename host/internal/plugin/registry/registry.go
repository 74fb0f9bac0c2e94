// Package registry says which version of which plugin a session gets. A session leases the version that is chosen at its start and keeps it
// to its end, whatever is installed, used or removed meanwhile; the code of a version that nobody holds any more is freed.
package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/store"
	"github.com/provisor/provisor/host/internal/sandbox"
	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/proto/guestpb"
)

// Options of a Registry.
type Options struct {
	// Base is what runs where nothing installed was chosen.
	Base Base
	// Store keeps what is installed and chosen. It stays its owner's to close, after the registry. nil = nothing can be installed.
	Store *store.Store
	// Sandbox compiles plugins.
	Sandbox *sandbox.Runtime
	// Ready makes ready what the plugin may use of the host. It is called for each version that is loaded.
	Ready func(context.Context, *plugin.Plugin, plugin.Grants) error
	// Probe tries a plugin out before it is installed.
	Probe func(context.Context, *plugin.Plugin, plugin.Grants) error
	// Grants are what the operator has declared for plugins by name; DefaultGrants what any other plugin is granted.
	Grants        map[string]plugin.Grants
	DefaultGrants plugin.Grants
	// Declared is what the configuration says of plugins.
	Declared Declared
	// Transport gets plugins by HTTPS; nil = http.DefaultTransport.
	Transport http.RoundTripper
	// Log is the daemon's log.
	Log *slog.Logger
}

// Base is the plugin that a daemon was started with.
type Base struct {
	Name string
	// Version is the manifest's where it is known before the plugin is loaded.
	Version string
	// Load loads the plugin; nil = Name is that of an installed one.
	Load func(context.Context) (*plugin.Plugin, error)
	// Named says that the operator named it.
	Named bool
}

// Registry holds the plugins of a daemon. Its methods may be called by several goroutines.
type Registry struct {
	o     Options
	shelf shelf
	// installing is filled while a plugin is being installed: one at a time, since compiling takes all that a machine has.
	installing chan struct{}
	// background are the goroutines that write down what the registry itself has decided.
	background sync.WaitGroup
	// changing is held while the state is replaced.
	changing sync.Mutex

	mu sync.Mutex
	// stored is what operators have chosen, declared what the configuration says, and state what sessions go by: the one over the other. Each is
	// replaced as a whole, and never changed.
	stored, state *store.State
	declared      *Declared
	// held are the versions that sessions may get now, by their keys; broken is why some of those can't be loaded.
	held   map[string]*version
	broken map[string]error
	// trials are the canaries' trials, by plugin.
	trials map[string]*trial
	// baseVersion is that of the base, once it is known.
	baseVersion string
	closed      bool
}

// New returns the registry, with the versions loaded that sessions may get. An installed version that can't be loaded is no error: its
// sessions fail, and an operator can choose another one.
func New(ctx context.Context, o Options) (*Registry, error) {
	r := &Registry{
		o: o, installing: make(chan struct{}, 1), stored: &store.State{}, declared: &Declared{},
		baseVersion: o.Base.Version, held: make(map[string]*version), broken: make(map[string]error), trials: make(map[string]*trial),
	}
	if o.Store != nil {
		r.stored = o.Store.State()
	}
	r.state = r.stored
	_, drop, err := r.installDeclared(ctx, &o.Declared)
	defer drop()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	r.declared = &o.Declared
	r.state = r.declared.over(r.stored)
	for key, ref := range r.selected(r.state) {
		v, err := r.load(ctx, key, ref, r.state)
		switch {
		case err == nil:
			r.held[key] = v
		case key == plugin.Base || ctx.Err() != nil:
			return nil, errors.Join(err, r.Close())
		default:
			o.Log.Error("a plugin that is in use can't be loaded: its sessions will fail", "plugin", ref.Name, "version", ref.Version, "error", err)
			r.broken[key] = err
		}
	}
	r.trials = r.trialsOf(r.state)
	if name := r.defaultPlugin(r.state); r.active(r.state, name) == "" {
		o.Log.Warn("no version of the plugin is in use yet: sessions will fail", "plugin", name)
	}
	return r, nil
}

// Close frees all versions, once an installation that still goes on has ended. Sessions must have ended.
func (r *Registry) Close() error {
	r.installing <- struct{}{}
	r.mu.Lock()
	r.closed = true
	held := r.held
	r.held = nil
	r.mu.Unlock()
	r.background.Wait()
	for _, v := range held {
		r.shelf.drop(v)
	}
	return nil
}

// Lease is a session's hold on a version.
type Lease struct {
	// Plugin is the version; Grants are what it gets: what it asks for, as far as it is granted.
	Plugin *plugin.Plugin
	Grants plugin.Grants
	// Limits are those that the configuration declares for the plugin; nil = none.
	Limits *guestpb.Limits

	registry *Registry
	version  *version
	// trial is that which the session takes part in, as the canary or not; nil = in none.
	trial  *trial
	canary bool

	mu     sync.Mutex
	failed bool
}

// Lease chooses the version for a new session of the tenant.
func (r *Registry) Lease(t tenant.Tenant) (*Lease, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.New("the daemon is ending")
	}
	l := &Lease{registry: r}
	ref := r.choose(t, l)
	key := r.key(r.state, ref)
	v := r.held[key]
	if v == nil {
		return nil, r.whyNot(ref, key)
	}
	r.shelf.lend(v)
	l.version, l.Plugin = v, v.plugin
	l.Grants = r.grants(r.state, ref.Name).Of(v.plugin.Manifest)
	if d := r.declared.first(ref.Name); d != nil {
		l.Limits = d.Limits
	}
	return l, nil
}

// Ready says why new sessions of tenants that have no choice of their own would get no plugin; nil = they get one.
func (r *Registry) Ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := r.defaultPlugin(r.state)
	ref := plugin.Ref{Name: name, Version: r.active(r.state, name)}
	if key := r.key(r.state, ref); r.held[key] == nil {
		return r.whyNot(ref, key)
	}
	return nil
}

func (r *Registry) whyNot(ref plugin.Ref, key string) error {
	switch err := r.broken[key]; {
	case err != nil:
		return fmt.Errorf("the plugin %s can't be loaded: %w", ref, err)
	case ref.Version == "":
		return fmt.Errorf("no version of the plugin %s is in use", ref.Name)
	}
	return fmt.Errorf("the plugin %s is not there: the daemon was started with another one", ref)
}

// Failed notes that the plugin has failed in this session, as opposed to having answered with an error.
func (l *Lease) Failed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = true
}

// Release ends the lease. It is to be called once, when nothing of the plugin runs any more.
func (l *Lease) Release() {
	l.mu.Lock()
	failed := l.failed
	l.mu.Unlock()
	if l.trial != nil {
		l.registry.note(l.trial, l.canary, failed)
	}
	l.Plugin = nil
	l.registry.shelf.giveBack(l.version)
}

// choose is the version that a new session of the tenant gets. It notes in the lease whether that is a trial.
func (r *Registry) choose(t tenant.Tenant, l *Lease) plugin.Ref {
	c := r.state.Tenants[t.Name()]
	if c.Plugin == "" {
		c.Plugin = r.defaultPlugin(r.state)
	}
	ref := plugin.Ref{Name: c.Plugin, Version: c.Version}
	if ref.Version != "" {
		return ref
	}
	ref.Version = r.active(r.state, ref.Name)
	if trial := r.trials[ref.Name]; trial != nil && !trial.over {
		l.trial, l.canary = trial, trial.draw()
		if l.canary {
			ref.Version = trial.version
		}
	}
	return ref
}

// defaultPlugin is the plugin of tenants that have no choice of their own.
func (r *Registry) defaultPlugin(s *store.State) string {
	if s.Default != "" {
		return s.Default
	}
	return r.o.Base.Name
}

// active is the version of a plugin that new sessions get; empty = there is none.
func (r *Registry) active(s *store.State, name string) string {
	if p := s.Plugins[name]; p != nil && p.Active != "" {
		return p.Active
	}
	if r.hasBase(name) {
		return plugin.Base
	}
	return ""
}

func (r *Registry) hasBase(name string) bool { return r.o.Base.Load != nil && name == r.o.Base.Name }

// key is what a version is called on the shelf: plugin.Base, or its digest. It is empty for one that is not there.
func (r *Registry) key(s *store.State, ref plugin.Ref) string {
	if ref.Version == plugin.Base {
		if r.hasBase(ref.Name) {
			return plugin.Base
		}
		return ""
	}
	if p := s.Plugins[ref.Name]; p != nil && p.Versions[ref.Version] != nil {
		return p.Versions[ref.Version].Digest
	}
	return ""
}

// selected are the versions that new sessions may get, by their keys.
func (r *Registry) selected(s *store.State) map[string]plugin.Ref {
	found := make(map[string]plugin.Ref)
	add := func(name, version string) {
		ref := plugin.Ref{Name: name, Version: version}
		if key := r.key(s, ref); key != "" {
			found[key] = ref
		}
	}
	follow := func(name string) {
		add(name, r.active(s, name))
		if p := s.Plugins[name]; p != nil && p.Canary != nil {
			add(name, p.Canary.Version)
		}
	}
	follow(r.defaultPlugin(s))
	for _, c := range s.Tenants {
		if c.Version == "" {
			follow(c.Plugin)
		} else {
			add(c.Plugin, c.Version)
		}
	}
	return found
}

// load takes a version from the shelf, after it was put there if need be.
func (r *Registry) load(ctx context.Context, key string, ref plugin.Ref, s *store.State) (*version, error) {
	return r.shelf.take(ctx, key, func(ctx context.Context) (p *plugin.Plugin, err error) {
		if key == plugin.Base {
			p, err = r.loadBase(ctx)
		} else {
			p, err = r.compileInstalled(ctx, key)
		}
		if err != nil {
			return nil, err
		}
		if err := r.o.Ready(ctx, p, r.grants(s, ref.Name)); err != nil {
			return nil, errors.Join(err, p.Module.Close(ctx))
		}
		return p, nil
	})
}

func (r *Registry) loadBase(ctx context.Context) (*plugin.Plugin, error) {
	p, err := r.o.Base.Load(ctx)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.baseVersion = p.Version
	}
	return p, err
}

func (r *Registry) compileInstalled(ctx context.Context, digest string) (*plugin.Plugin, error) {
	module, err := r.o.Store.Module(digest)
	if err != nil {
		return nil, err
	}
	manifest, err := plugin.ReadManifest(module)
	if err != nil {
		return nil, err
	}
	f := plugin.File{Module: module, Digest: digest, Manifest: manifest}
	return f.Compile(ctx, r.o.Sandbox)
}

// grants are what the plugin of that name is granted.
func (r *Registry) grants(s *store.State, name string) plugin.Grants {
	if g, declared := r.o.Grants[name]; declared {
		return g
	}
	if p := s.Plugins[name]; p != nil && p.Grants != nil {
		return *p.Grants
	}
	return r.o.DefaultGrants
}
