package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/store"
	"github.com/provisor/provisor/host/internal/tenant"
)

// Choice is a version that new sessions are to get.
type Choice struct {
	// Ref is the version. Without one a tenant gets whichever is active.
	plugin.Ref
	// Tenant gets it, and nobody else; empty = all tenants that have no choice of their own.
	Tenant string
	// Canary is the share of new sessions that get it, in percent; 0 = all.
	Canary int
}

// check says why the choice can't be one.
func (c Choice) check() error {
	if c.Tenant != "" {
		if _, err := tenant.Parse(c.Tenant); err != nil {
			return &Error{Invalid, err}
		}
	}
	switch {
	case c.Canary < 0 || c.Canary > store.MaxCanary:
		return errorf(Invalid, "a canary gets 1%% to %d%% of new sessions, not %d%%: to give it all, use it", store.MaxCanary, c.Canary)
	case c.Canary > 0 && c.Tenant != "":
		return errorf(Invalid, "a canary is for all tenants that are not pinned: it can't be given to the tenant %s", c.Tenant)
	case c.Version == "" && c.Tenant == "":
		return errorf(Invalid, "say which version of %s, as %s@VERSION", c.Name, c.Name)
	}
	return nil
}

// Use has new sessions get a version. Sessions in flight keep theirs. It returns a sentence that says what new ones get.
func (r *Registry) Use(ctx context.Context, c Choice) (done string, err error) {
	if err := c.check(); err != nil {
		return "", err
	}
	if err := r.mayChoose(c); err != nil {
		return "", err
	}
	if err := r.writable(); err != nil {
		return "", err
	}
	drop, err := r.takeGranted(ctx, c.Ref)
	if err != nil {
		return "", err
	}
	defer drop()
	err = r.change(ctx, func(s *store.State) (err error) {
		chosen := c
		if chosen.Version, err = r.find(s, c.Ref); err != nil {
			return err
		}
		done = chosen.sentence(r.active(s, c.Name), r.declaration().defaultPlugin())
		return r.apply(s, chosen)
	})
	if err == nil {
		r.o.Log.Info("another version of a plugin is used", "plugin", c.Name, "done", done)
	}
	return done, err
}

// sentence says who gets what, where that version is active for all others, and the plugin that all get is declared, if it is.
func (c Choice) sentence(active, declared string) string {
	switch {
	case c.Tenant != "" && c.Version == "":
		return fmt.Sprintf("new sessions of the tenant %s get the version of %s that is in use", c.Tenant, c.Name)
	case c.Tenant != "":
		return fmt.Sprintf("new sessions of the tenant %s get %s", c.Tenant, c.Ref)
	case c.Canary > 0:
		return fmt.Sprintf("%d%% of new sessions get %s, the others %s@%s", c.Canary, c.Ref, c.Name, active)
	}
	if declared != "" && declared != c.Name {
		return fmt.Sprintf("new sessions of the tenants that get %s get %s", c.Name, c.Ref)
	}
	return fmt.Sprintf("new sessions get %s", c.Ref)
}

// takeGranted loads an installed version, and sees that it asks for nothing beyond what its plugin is granted. It stays loaded until it is
// dropped.
func (r *Registry) takeGranted(ctx context.Context, ref plugin.Ref) (drop func(), err error) {
	s := r.current()
	version, err := r.find(s, ref)
	if err != nil || version == "" || version == plugin.Base {
		return func() {}, err
	}
	v, err := r.load(ctx, r.key(s, ref), ref, s)
	if err != nil {
		if _, gone := r.find(r.current(), ref); gone != nil {
			return nil, gone // it was removed meanwhile
		}
		return nil, errorf(Refused, "load the plugin %s: %w", ref, err)
	}
	drop = func() { r.shelf.drop(v) }
	if err := r.missing(r.grants(s, ref.Name), v.plugin.Manifest, ref); err != nil {
		drop()
		return nil, err
	}
	return drop, nil
}

// find is the version that is meant: the installed one, or plugin.Base for that which the daemon was started with. Without a version it is
// empty, if the plugin is there.
func (r *Registry) find(s *store.State, ref plugin.Ref) (string, error) {
	p := s.Plugins[ref.Name]
	if p == nil && !r.hasBase(ref.Name) {
		return "", errorf(NotFound, "there is no plugin %s: %s", ref.Name, orNone("there are ", r.names(s)))
	}
	switch {
	case ref.Version == "":
		return "", nil
	case p != nil && p.Versions[ref.Version] != nil:
		return ref.Version, nil
	case r.hasBase(ref.Name) && (ref.Version == plugin.Base || ref.Version == r.knownBase()):
		return plugin.Base, nil
	}
	return "", errorf(NotFound, "%s is not installed: %s", ref, orNone("there are ", r.versions(s, ref.Name)))
}

// knownBase is the version in the manifest of what the daemon was started with, as far as that is known.
func (r *Registry) knownBase() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.baseVersion
}

func orNone(intro string, list []string) string {
	if len(list) == 0 {
		return "there is none"
	}
	return intro + strings.Join(list, ", ")
}

// names are the plugins that there are.
func (r *Registry) names(s *store.State) []string {
	names := slices.Collect(maps.Keys(s.Plugins))
	if name := r.o.Base.Name; r.hasBase(name) && s.Plugins[name] == nil {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// versions are those of a plugin.
func (r *Registry) versions(s *store.State, name string) []string {
	var versions []string
	if r.hasBase(name) {
		versions = append(versions, plugin.Base)
	}
	if p := s.Plugins[name]; p != nil {
		versions = append(versions, sortedVersions(p)...)
	}
	return versions
}

// apply makes a choice in the state. Its version is there.
func (r *Registry) apply(s *store.State, c Choice) error {
	if err := r.mayChoose(c); err != nil {
		return err
	}
	if c.Tenant != "" {
		r.pin(s, c)
		return nil
	}
	p := pluginOf(s, c.Name)
	if c.Canary > 0 {
		active := r.active(s, c.Name)
		switch active {
		case "":
			return errorf(Conflict, "no version of %s is in use that a canary could be compared with: use it without --canary", c.Name)
		case c.Version:
			return errorf(Conflict, "%s is in use already: it can't be a canary beside itself", c.Ref)
		}
		p.Canary, p.Withdrawn = &store.Canary{Version: c.Version, Percent: c.Canary, Since: now()}, nil
		return nil
	}
	r.activate(s, c.Ref)
	if name := r.defaultPlugin(s); name != c.Name && r.declaration().defaultPlugin() == "" {
		p.Replaced = name
		r.setDefault(s, c.Name)
	}
	return nil
}

// pin makes the choice that of its tenant. One that says nothing else than what all tenants get is none.
func (r *Registry) pin(s *store.State, c Choice) {
	if c.Version == "" && c.Name == r.defaultPlugin(s) {
		delete(s.Tenants, c.Tenant)
		return
	}
	if s.Tenants == nil {
		s.Tenants = make(map[string]store.Choice)
	}
	s.Tenants[c.Tenant] = store.Choice{Plugin: c.Name, Version: c.Version}
}

// activate makes the version the active one of its plugin.
func (r *Registry) activate(s *store.State, ref plugin.Ref) {
	p := pluginOf(s, ref.Name)
	p.Canary, p.Withdrawn, p.Replaced = nil, nil, ""
	before := r.active(s, ref.Name)
	if before == ref.Version {
		return
	}
	p.Previous, p.Active = before, ref.Version
	if p.Active == plugin.Base {
		p.Active = ""
	}
}

// setDefault makes a plugin that of tenants without a choice of their own.
func (r *Registry) setDefault(s *store.State, name string) {
	if s.Default = name; name == r.o.Base.Name {
		s.Default = ""
	}
}

// pluginOf is the plugin's entry in the state.
func pluginOf(s *store.State, name string) *store.Plugin {
	if s.Plugins == nil {
		s.Plugins = make(map[string]*store.Plugin)
	}
	p := s.Plugins[name]
	if p == nil {
		p = new(store.Plugin)
		s.Plugins[name] = p
	}
	return p
}

// Rollback undoes what was chosen last for a plugin: a canary is withdrawn; else the version before is active again, or the plugin before is
// the default one again. It returns a sentence that says so.
func (r *Registry) Rollback(ctx context.Context, name string) (done string, err error) {
	if err := r.writable(); err != nil {
		return "", err
	}
	err = r.change(ctx, func(s *store.State) (err error) {
		if _, err := r.find(s, plugin.Ref{Name: name}); err != nil {
			return err
		}
		if err := r.mayChoose(Choice{Ref: plugin.Ref{Name: name}}); err != nil {
			return err
		}
		done, err = r.undo(s, name)
		return err
	})
	if err == nil {
		r.o.Log.Info("a plugin was rolled back", "plugin", name, "done", done)
	}
	return done, err
}

func (r *Registry) undo(s *store.State, name string) (string, error) {
	p := pluginOf(s, name)
	if c := p.Canary; c != nil {
		p.Canary = nil
		return fmt.Sprintf("the canary %s@%s is withdrawn", name, c.Version), nil
	}
	if p.Previous == "" && p.Replaced == "" {
		return "", errorf(Conflict, "there is nothing to go back to: no other version of %s was in use before", name)
	}
	previous, replaced := p.Previous, p.Replaced
	if previous != "" {
		if r.key(s, plugin.Ref{Name: name, Version: previous}) == "" {
			return "", errorf(Conflict, "%s@%s, which was in use before, is not there any more: the daemon was started with another plugin", name, previous)
		}
		r.activate(s, plugin.Ref{Name: name, Version: previous})
	}
	if p.Replaced = ""; replaced == "" {
		return fmt.Sprintf("%s@%s is in use again", name, previous), nil
	}
	active := r.active(s, replaced)
	if active == "" {
		return "", errorf(Conflict, "the plugin %s, which was in use before, is not there any more", replaced)
	}
	r.setDefault(s, replaced)
	return fmt.Sprintf("%s@%s is in use again", replaced, active), nil
}

// Remove removes an installed version that no new session can get. Sessions in flight keep it.
func (r *Registry) Remove(ctx context.Context, ref plugin.Ref) error {
	if err := r.writable(); err != nil {
		return err
	}
	// Not while the same version may be installed once more.
	leave, err := r.enterInstallation(ctx)
	if err != nil {
		return err
	}
	defer leave()
	var digest string
	err = r.change(ctx, func(s *store.State) error {
		version, err := r.find(s, ref)
		if err != nil {
			return err
		}
		if version == "" || version == plugin.Base {
			return errorf(Conflict, "%s is what the daemon was started with, not installed: it can't be removed", ref)
		}
		if why := r.inUse(r.declaration().over(s), ref); why != "" {
			return errorf(Conflict, "%s can't be removed: %s", ref, why)
		}
		p := s.Plugins[ref.Name]
		digest = p.Versions[version].Digest
		if delete(p.Versions, version); p.Previous == version {
			p.Previous = ""
		}
		if p.Active == version {
			p.Active = ""
		}
		if len(p.Versions) == 0 && p.Grants == nil && s.Default != ref.Name {
			delete(s.Plugins, ref.Name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.o.Log.Info("a version of a plugin was removed", "plugin", ref.Name, "version", ref.Version, "sha256", digest)
	if err := r.o.Store.Remove(digest); err != nil {
		r.o.Log.Warn("the file of a removed plugin is left until the daemon is started again", "error", err)
	}
	return nil
}

// inUse is why new sessions could get the version; empty = they can't.
func (r *Registry) inUse(s *store.State, ref plugin.Ref) string {
	p := s.Plugins[ref.Name]
	for _, d := range r.declaration().Plugins {
		if d.Ref == ref {
			return "the configuration declares it (" + d.At + ")"
		}
	}
	if _, given := r.selected(s)[r.key(s, ref)]; given && p.Active == ref.Version {
		return "it is in use; use another version of " + ref.Name + " first"
	}
	if p.Canary != nil && p.Canary.Version == ref.Version {
		return "it is the canary; roll " + ref.Name + " back first"
	}
	if tenants := pinned(s, ref); len(tenants) > 0 {
		return fmt.Sprintf("tenants are pinned to it: %s", strings.Join(tenants, ", "))
	}
	return ""
}

// pinned are the tenants that are pinned to the version.
func pinned(s *store.State, ref plugin.Ref) []string {
	var tenants []string
	for name, c := range s.Tenants {
		if c.Plugin == ref.Name && c.Version == ref.Version {
			tenants = append(tenants, name)
		}
	}
	slices.Sort(tenants)
	return tenants
}
