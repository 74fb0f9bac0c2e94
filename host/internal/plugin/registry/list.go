package registry

import (
	"slices"
	"time"

	"golang.org/x/mod/semver"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/store"
)

// Info is a plugin as an operator sees it.
type Info struct {
	Name string `json:"name"`
	// Default: tenants that have no choice of their own get it.
	Default bool `json:"default"`
	// Declared is where the configuration declares it, FILE:LINE; empty = nowhere.
	Declared string `json:"declared,omitempty"`
	// Grants are what it is granted, and GrantedBy who said so: "default", "operator", "configuration", or "start" for what the daemon was started with.
	Grants    plugin.Grants    `json:"grants"`
	GrantedBy string           `json:"granted_by"`
	Versions  []VersionInfo    `json:"versions"`
	Withdrawn *store.Withdrawn `json:"withdrawn,omitempty"`
	// Tenants are those that get its active version by a choice of their own.
	Tenants []string `json:"tenants,omitempty"`
}

// VersionInfo is a version of a plugin as an operator sees it.
type VersionInfo struct {
	// Version is the manifest's; empty = it is not known yet.
	Version string `json:"version"`
	// Base: it is what the daemon was started with, and not installed.
	Base      bool       `json:"base,omitempty"`
	Digest    string     `json:"sha256,omitempty"`
	Size      int64      `json:"size,omitempty"`
	Installed *time.Time `json:"installed,omitempty"`
	File      string     `json:"file,omitempty"`
	// Active: new sessions get it. Previous: a rollback leads to it.
	Active   bool        `json:"active,omitempty"`
	Previous bool        `json:"previous,omitempty"`
	Canary   *CanaryInfo `json:"canary,omitempty"`
	// Tenants are those that are pinned to it.
	Tenants []string `json:"tenants,omitempty"`
	// Sessions use it now. Loaded: its code is in memory.
	Sessions int  `json:"sessions"`
	Loaded   bool `json:"loaded"`
	// Problem is why sessions that should get it can't.
	Problem string `json:"problem,omitempty"`
}

// CanaryInfo is how a canary is doing.
type CanaryInfo struct {
	Percent int       `json:"percent"`
	Since   time.Time `json:"since"`
	// Sessions are those of the canary that have ended since it was chosen or the daemon was started, Failed those in which the plugin failed;
	// and so for the version that is active.
	Sessions       int `json:"sessions"`
	Failed         int `json:"failed"`
	StableSessions int `json:"stable_sessions"`
	StableFailed   int `json:"stable_failed"`
}

// List lists the plugins by name, and their versions from the newest on.
func (r *Registry) List() []Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []Info{}
	for _, name := range r.names(r.state) {
		list = append(list, r.info(r.state, name))
	}
	return list
}

func (r *Registry) info(s *store.State, name string) Info {
	i := Info{Name: name, Default: name == r.defaultPlugin(s), Grants: r.grants(s, name), GrantedBy: r.grantedBy(s, name)}
	if d := r.declared.first(name); d != nil {
		i.Declared = d.At
	}
	p := s.Plugins[name]
	if p == nil {
		p = new(store.Plugin)
	}
	i.Withdrawn = p.Withdrawn
	for tenant, c := range s.Tenants {
		if c.Plugin == name && c.Version == "" {
			i.Tenants = append(i.Tenants, tenant)
		}
	}
	slices.Sort(i.Tenants)
	if r.hasBase(name) {
		v := r.versionInfo(s, plugin.Ref{Name: name, Version: plugin.Base})
		v.Version, v.Base = r.baseVersion, true
		if held := r.held[plugin.Base]; held != nil {
			v.Digest = held.plugin.Digest
		}
		i.Versions = append(i.Versions, v)
	}
	for _, version := range sortedVersions(p) {
		v := r.versionInfo(s, plugin.Ref{Name: name, Version: version})
		have := p.Versions[version]
		v.Version, v.Digest, v.Size, v.Installed, v.File = version, have.Digest, have.Size, &have.Installed, have.File
		i.Versions = append(i.Versions, v)
	}
	return i
}

func (r *Registry) versionInfo(s *store.State, ref plugin.Ref) VersionInfo {
	key := r.key(s, ref)
	v := VersionInfo{Active: r.active(s, ref.Name) == ref.Version, Tenants: pinned(s, ref)}
	v.Sessions, v.Loaded = r.shelf.users(key)
	if err := r.broken[key]; err != nil {
		v.Problem = err.Error()
	}
	p := s.Plugins[ref.Name]
	if p == nil {
		return v
	}
	v.Previous = p.Previous == ref.Version
	if t := r.trials[ref.Name]; t != nil && t.version == ref.Version && !t.over {
		v.Canary = &CanaryInfo{t.percent, t.since, t.canary.sessions, t.canary.failed, t.stable.sessions, t.stable.failed}
	}
	return v
}

func (r *Registry) grantedBy(s *store.State, name string) string {
	if _, declared := r.o.Grants[name]; declared {
		return "start"
	}
	if r.declared.grants(name) != nil {
		return "configuration"
	}
	if p := s.Plugins[name]; p != nil && p.Grants != nil {
		return "operator"
	}
	return "default"
}

// sortedVersions are the installed versions of a plugin, from the newest on.
func sortedVersions(p *store.Plugin) []string {
	versions := make([]string, 0, len(p.Versions))
	for version := range p.Versions {
		versions = append(versions, version)
	}
	slices.SortFunc(versions, func(a, b string) int {
		if c := semver.Compare("v"+b, "v"+a); c != 0 {
			return c
		}
		// They differ in their metadata, which have no order of their own.
		if a < b {
			return -1
		}
		return 1
	})
	return versions
}
