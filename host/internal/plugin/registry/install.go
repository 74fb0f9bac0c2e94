package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/store"
	"github.com/provisor/provisor/proto/guestpb"
)

// Installation is a plugin to be installed.
type Installation struct {
	// Module is the plugin's file.
	Module io.Reader
	// Digest is the SHA-256 that the file must have, in hexadecimal, and Want what its manifest must say it is; empty = anything.
	Digest string
	Want   plugin.Ref
	// Grants are what the plugin is granted from now on beside what it is already; nil = nothing more.
	Grants *plugin.Grants
	// Use has new sessions get it; or Canary, a share of them in percent.
	Use    bool
	Canary int
	// File is the file's name in the watched directory, if it comes from there: it is used, but does not take over from a plugin of another
	// name that was chosen.
	File string
	// granted is what a declaration that is about to hold grants the plugin; nil = what holds now counts.
	granted *plugin.Grants
	// Step is told what is being done; nil = nobody.
	Step func(text string)
}

// Installed is a version that was installed.
type Installed struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Digest  string `json:"sha256"`
	Size    int64  `json:"size"`
	// Already: it was installed before, with the same bytes.
	Already bool `json:"already,omitempty"`
	// Default says whether sessions get that plugin, and Active which of its versions, after this.
	Default bool   `json:"default"`
	Active  string `json:"active,omitempty"`
}

// Install installs a version of a plugin: its bytes are checked, compiled and tried out before anything changes. What is wrong is said in
// the error and in the log.
func (r *Registry) Install(ctx context.Context, i Installation) (*Installed, error) {
	if err := r.writable(); err != nil {
		return nil, err
	}
	leave, err := r.enterInstallation(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return r.installNext(ctx, i)
}

// installNext installs a version once it is its turn.
func (r *Registry) installNext(ctx context.Context, i Installation) (*Installed, error) {
	if i.Step == nil {
		i.Step = func(string) {}
	}
	f, err := r.read(i)
	var done *Installed
	if err == nil {
		done, err = r.install(ctx, i, f)
	}
	log := r.o.Log
	if i.File != "" {
		log = log.With("file", i.File)
	}
	if f != nil {
		log = log.With("plugin", f.Manifest.GetName(), "version", f.Manifest.GetVersion(), "sha256", f.Digest)
	}
	if err != nil {
		log.Warn("a plugin was not installed", "error", err)
		return nil, err
	}
	log.Info("a plugin was installed", "already", done.Already, "use", i.Use, "canary_percent", i.Canary)
	return done, nil
}

// enterInstallation waits for its turn.
func (r *Registry) enterInstallation(ctx context.Context) (leave func(), err error) {
	select {
	case r.installing <- struct{}{}:
		return func() { <-r.installing }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// read reads the file, and sees that it is what it should be. None of its code runs.
func (r *Registry) read(i Installation) (*plugin.File, error) {
	i.Step("reading the file")
	limit := r.o.Sandbox.Limits().ModuleBytes
	module, err := io.ReadAll(io.LimitReader(i.Module, int64(limit)+1))
	if err != nil {
		return nil, errorf(Invalid, "read the plugin's file: %w", err)
	}
	if uint64(len(module)) > limit {
		return nil, errorf(Refused, "the file is larger than %d bytes, the limit for modules (setting module_bytes)", limit)
	}
	f, err := plugin.Parse(module)
	if err != nil {
		return nil, errorf(Refused, "the file is not a plugin: %w", err)
	}
	if i.Digest != "" && !strings.EqualFold(i.Digest, f.Digest) {
		return f, errorf(Refused, "the file has the SHA-256 %s, expected was %s: it is not what it should be", f.Digest, strings.ToLower(i.Digest))
	}
	if f.Manifest == nil {
		return f, errorf(Refused, "the file has no manifest, so it has no name and version: build it with provisor plugin build")
	}
	m := f.Manifest
	if i.Want.Name != "" && i.Want.Name != m.GetName() || i.Want.Version != "" && i.Want.Version != m.GetVersion() {
		return f, errorf(Refused, "its manifest says %s@%s, expected was %s", m.GetName(), m.GetVersion(), i.Want)
	}
	return f, nil
}

func (r *Registry) install(ctx context.Context, i Installation, f *plugin.File) (*Installed, error) {
	ref := plugin.Ref{Name: f.Manifest.GetName(), Version: f.Manifest.GetVersion()}
	choice := Choice{Ref: ref, Canary: i.Canary}
	if err := choice.check(); err != nil {
		return nil, err
	}
	already, err := r.clash(r.current(), ref, f.Digest)
	if err != nil {
		return nil, err
	}
	if i.Use || i.Canary > 0 || i.File != "" {
		if err := r.mayChoose(choice); err != nil {
			return nil, err
		}
	}
	grants, err := r.grantsFor(i, ref)
	if err != nil {
		return nil, err
	}
	if err := r.missing(grants, f.Manifest, ref); err != nil {
		return nil, err
	}
	v, err := r.tryOut(ctx, i, f, grants)
	if err != nil {
		return nil, err
	}
	// It stays compiled until it is in use, if it will be.
	defer r.shelf.drop(v)
	i.Step("keeping " + ref.String())
	if err := r.o.Store.Add(f.Digest, f.Module); err != nil {
		return nil, err
	}
	err = r.change(ctx, func(s *store.State) error { return r.enter(s, i, f, choice) })
	if err != nil {
		if !already {
			// The next start removes it otherwise.
			_ = r.o.Store.Remove(f.Digest)
		}
		return nil, err
	}
	s := r.current()
	return &Installed{
		Name: ref.Name, Version: ref.Version, Digest: f.Digest, Size: int64(len(f.Module)), Already: already,
		Default: r.defaultPlugin(s) == ref.Name, Active: r.active(s, ref.Name),
	}, nil
}

// clash says whether the very same version is installed already. A version with other bytes is an error.
func (r *Registry) clash(s *store.State, ref plugin.Ref, digest string) (already bool, err error) {
	have := ""
	if p := s.Plugins[ref.Name]; p != nil && p.Versions[ref.Version] != nil {
		have = p.Versions[ref.Version].Digest
	}
	if have != "" && have != digest {
		return false, errorf(Conflict, "%s is installed already, with other bytes (SHA-256 %s, this file has %s): give the plugin another version", ref, have, digest)
	}
	return have != "", nil
}

// grantsFor are what the plugin will be granted.
func (r *Registry) grantsFor(i Installation, ref plugin.Ref) (plugin.Grants, error) {
	if i.granted != nil {
		return *i.granted, nil
	}
	have := r.grants(r.current(), ref.Name)
	if i.Grants == nil {
		return have, nil
	}
	return have.With(*i.Grants), r.mayGrant(ref.Name, *i.Grants)
}

// mayGrant says why the plugin's grants can't be changed to these.
func (r *Registry) mayGrant(name string, g plugin.Grants) error {
	if err := plugin.CheckGrants(g); err != nil {
		return &Error{Invalid, err}
	}
	if _, declared := r.o.Grants[name]; declared {
		return errorf(Conflict, "what the plugin %s is granted was said when the daemon was started (--grant): change it there", name)
	}
	if d := r.declaration(); d.grants(name) != nil {
		return errorf(Conflict, "what the plugin %s is granted is in the configuration (%s): change it there, and reload it", name, d.first(name).At)
	}
	return nil
}

// missing says what a plugin asks for beyond what it is granted.
func (r *Registry) missing(g plugin.Grants, m *guestpb.Manifest, ref plugin.Ref) error {
	if missing := g.Missing(m); missing != "" {
		return errorf(Refused, "%s asks for more than is granted: %s; grant it (--grant, or grants in the configuration), or take another version", ref, missing)
	}
	return nil
}

// tryOut compiles the plugin, has what it needs made ready, and tries it out unless that was done before.
func (r *Registry) tryOut(ctx context.Context, i Installation, f *plugin.File, g plugin.Grants) (*version, error) {
	ref := plugin.Ref{Name: f.Manifest.GetName(), Version: f.Manifest.GetVersion()}
	v, err := r.shelf.take(ctx, f.Digest, func(ctx context.Context) (*plugin.Plugin, error) {
		i.Step("compiling " + ref.String())
		p, err := f.Compile(ctx, r.o.Sandbox)
		if err != nil {
			return nil, errorf(Refused, "%s can't be run: %w", ref, err)
		}
		return p, nil
	})
	if err != nil {
		return nil, err
	}
	i.Step("making ready what " + ref.String() + " asks for")
	if err = r.o.Ready(ctx, v.plugin, g); err == nil {
		i.Step("probing " + ref.String())
		if err = r.o.Probe(ctx, v.plugin, g); err != nil && ctx.Err() == nil {
			err = errorf(Refused, "%s fails its probe: %w", ref, err)
		}
	}
	if err != nil {
		r.shelf.drop(v)
		return nil, err
	}
	return v, nil
}

// enter puts the version into the state, and what was said of its use.
func (r *Registry) enter(s *store.State, i Installation, f *plugin.File, c Choice) error {
	already, err := r.clash(s, c.Ref, f.Digest)
	if err != nil {
		return err
	}
	p := pluginOf(s, c.Name)
	if p.Versions == nil {
		p.Versions = make(map[string]*store.Version)
	}
	if !already {
		p.Versions[c.Version] = &store.Version{Digest: f.Digest, Size: int64(len(f.Module)), Installed: now(), File: i.File}
	}
	if i.Grants != nil {
		granted := r.grants(s, c.Name).With(*i.Grants)
		p.Grants = &granted
	}
	switch {
	case i.File != "":
		if err := r.mayChoose(Choice{Ref: c.Ref}); err != nil {
			return err
		}
		r.deploy(s, c.Ref, i.File, f.Digest)
		return nil
	case i.Use || i.Canary > 0:
		return r.apply(s, c)
	}
	return nil
}

// deploy has a version from the watched directory used. It takes over from the plugin that the daemon runs by default, but not from one that
// somebody chose.
func (r *Registry) deploy(s *store.State, ref plugin.Ref, file, digest string) {
	if s.Deployed == nil {
		s.Deployed = make(map[string]string)
	}
	s.Deployed[file] = digest
	r.activate(s, ref)
	if name := r.defaultPlugin(s); name != ref.Name && s.Default == "" && !r.o.Base.Named && r.declaration().defaultPlugin() == "" {
		pluginOf(s, ref.Name).Replaced = name
		r.setDefault(s, ref.Name)
	}
}

// Deployed is the digest of what was installed last from that file of the watched directory; empty = nothing was.
func (r *Registry) Deployed(file string) string { return r.current().Deployed[file] }

// Undeployed forgets the files of the watched directory that are not among those that there are. What was installed from them stays.
func (r *Registry) Undeployed(ctx context.Context, there map[string]bool) error {
	gone := false
	for file := range r.current().Deployed {
		gone = gone || !there[file]
	}
	if !gone {
		return nil
	}
	return r.change(ctx, func(s *store.State) error {
		for file := range s.Deployed {
			if !there[file] {
				delete(s.Deployed, file)
			}
		}
		return nil
	})
}

// Grant sets what a plugin is granted from now on, for new sessions; nil = what any plugin is.
func (r *Registry) Grant(ctx context.Context, name string, g *plugin.Grants) error {
	if !plugin.ValidName(name) {
		return errorf(Invalid, "%q is not a plugin's name", name)
	}
	if err := r.writable(); err != nil {
		return err
	}
	granted := r.o.DefaultGrants
	if g != nil {
		granted = *g
	}
	if err := r.mayGrant(name, granted); err != nil {
		return err
	}
	if err := r.readyAgain(ctx, name, granted); err != nil {
		return err
	}
	err := r.change(ctx, func(s *store.State) error {
		pluginOf(s, name).Grants = g
		return r.mayGrant(name, granted)
	})
	if err == nil {
		r.o.Log.Info("a plugin was granted something else", "plugin", name, "programs", granted.Programs, "env", granted.Env)
	}
	return err
}

// readyAgain makes ready what the loaded versions of the plugin ask for with these grants.
func (r *Registry) readyAgain(ctx context.Context, name string, g plugin.Grants) error {
	r.mu.Lock()
	var loaded []*plugin.Plugin
	for _, v := range r.held {
		if v.plugin.Name == name {
			loaded = append(loaded, v.plugin)
		}
	}
	r.mu.Unlock()
	var errs []error
	for _, p := range loaded {
		if err := r.o.Ready(ctx, p, g); err != nil {
			errs = append(errs, fmt.Errorf("make ready what %s@%s asks for: %w", name, p.Version, err))
		}
	}
	return errors.Join(errs...)
}
