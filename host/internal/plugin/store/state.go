package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/tenant"
)

// State is what an operator has chosen, and which versions are there to choose from. A version is a semantic version that is installed, or
// plugin.Base.
type State struct {
	// Format is the number of this form; see Decode.
	Format int `json:"format"`
	// Default is the plugin of tenants that have no choice of their own; empty = that which the daemon was started with.
	Default string `json:"default,omitempty"`
	// Plugins are the plugins by name.
	Plugins map[string]*Plugin `json:"plugins,omitempty"`
	// Tenants are the choices that were made for single tenants, by their names.
	Tenants map[string]Choice `json:"tenants,omitempty"`
	// Deployed is, by the name of a file in the watched directory, the digest of what was installed from there last.
	Deployed map[string]string `json:"deployed,omitempty"`
}

// Plugin is what is known of a plugin.
type Plugin struct {
	// Active is the version that new sessions get; empty = none was chosen.
	Active string `json:"active,omitempty"`
	// Previous is the version that was active before, Replaced the plugin that was the default one before this; empty = none.
	Previous string `json:"previous,omitempty"`
	Replaced string `json:"replaced,omitempty"`
	// Canary is the version that a share of new sessions gets; nil = none.
	Canary *Canary `json:"canary,omitempty"`
	// Withdrawn is the canary that was withdrawn last; nil = none since another version was chosen.
	Withdrawn *Withdrawn `json:"withdrawn,omitempty"`
	// Grants are what the operator has granted; nil = what is granted to any plugin.
	Grants *plugin.Grants `json:"grants,omitempty"`
	// Versions are those that are installed.
	Versions map[string]*Version `json:"versions,omitempty"`
}

// Version is an installed version.
type Version struct {
	// Digest is the SHA-256 of its file, in hexadecimal.
	Digest string `json:"sha256"`
	// Size is the file's, in bytes.
	Size      int64     `json:"size"`
	Installed time.Time `json:"installed"`
	// File is the name of the file in the watched directory that it was installed from; empty = it was not.
	File string `json:"file,omitempty"`
}

// Canary is a version on trial.
type Canary struct {
	Version string `json:"version"`
	// Percent of new sessions get it: 1 to MaxCanary.
	Percent int       `json:"percent"`
	Since   time.Time `json:"since"`
}

// MaxCanary is the largest share of a canary, in percent. Beyond it the stable version would be the smaller sample.
const MaxCanary = 50

// Withdrawn is a canary that failed.
type Withdrawn struct {
	Version string    `json:"version"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
}

// Choice is a tenant's plugin, at a version or, where that is empty, at the one that is active.
type Choice struct {
	Plugin  string `json:"plugin"`
	Version string `json:"version,omitempty"`
}

// format is the number of this form of the state.
const format = 1

// The most that a state may hold.
const (
	maxState = 16 << 20 // bytes
	maxText  = 1 << 10  // bytes of a reason or a file's name
)

// Decode reads a state and checks it: all that it refers to is there.
func Decode(b []byte) (*State, error) {
	if len(b) > maxState {
		return nil, fmt.Errorf("it has %d bytes, the limit is %d", len(b), maxState)
	}
	// A later form may have what this one doesn't know, so its number comes first.
	var head struct{ Format int }
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, err
	}
	if head.Format != format {
		return nil, fmt.Errorf("it has the format %d, this daemon knows %d: it was written by another version", head.Format, format)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	s := new(State)
	if err := d.Decode(s); err != nil {
		return nil, err
	}
	return s, s.check()
}

// Encode writes the state, once it has been checked.
func (s *State) Encode() ([]byte, error) {
	s.Format = format
	if err := s.check(); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err == nil && len(b) >= maxState {
		err = fmt.Errorf("it has %d bytes, the limit is %d: remove versions", len(b), maxState)
	}
	return append(b, '\n'), err
}

// Clone is a copy that shares nothing with the state.
func (s *State) Clone() *State {
	c := *s
	c.Plugins = make(map[string]*Plugin, len(s.Plugins))
	for name, p := range s.Plugins {
		c.Plugins[name] = p.clone()
	}
	c.Tenants = maps.Clone(s.Tenants)
	c.Deployed = maps.Clone(s.Deployed)
	return &c
}

func (p *Plugin) clone() *Plugin {
	c := *p
	c.Canary, c.Withdrawn = copied(p.Canary), copied(p.Withdrawn)
	if p.Grants != nil {
		c.Grants = &plugin.Grants{Programs: slices.Clone(p.Grants.Programs), Env: slices.Clone(p.Grants.Env)}
	}
	c.Versions = make(map[string]*Version, len(p.Versions))
	for name, v := range p.Versions {
		c.Versions[name] = copied(v)
	}
	return &c
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// check says what is wrong with the state.
func (s *State) check() error {
	digests := make(map[string]string)
	for name, p := range s.Plugins {
		if !plugin.ValidName(name) || p == nil {
			return fmt.Errorf("%q is not a plugin", name)
		}
		if err := p.check(); err != nil {
			return fmt.Errorf("plugin %s: %w", name, err)
		}
		for version, v := range p.Versions {
			ref := plugin.Ref{Name: name, Version: version}.String()
			if other, twice := digests[v.Digest]; twice {
				return fmt.Errorf("%s and %s have one digest", ref, other)
			}
			digests[v.Digest] = ref
		}
	}
	if s.Default != "" && !plugin.ValidName(s.Default) {
		return fmt.Errorf("the default plugin %q has no plugin's name", s.Default)
	}
	for name, c := range s.Tenants {
		if err := s.checkChoice(name, c); err != nil {
			return fmt.Errorf("tenant %q: %w", name, err)
		}
	}
	for file, digest := range s.Deployed {
		if file == "" || len(file) > maxText || !digestPattern.MatchString(digest) {
			return fmt.Errorf("the deployed file %q has no digest", file)
		}
	}
	return nil
}

func (s *State) checkChoice(name string, c Choice) error {
	if _, err := tenant.Parse(name); err != nil {
		return err
	}
	if !plugin.ValidName(c.Plugin) {
		return fmt.Errorf("%q is not a plugin's name", c.Plugin)
	}
	if p := s.Plugins[c.Plugin]; c.Version != "" && c.Version != plugin.Base && (p == nil || p.Versions[c.Version] == nil) {
		return fmt.Errorf("%s@%s is not installed", c.Plugin, c.Version)
	}
	return nil
}

func (p *Plugin) check() error {
	for version, v := range p.Versions {
		switch {
		case !plugin.ValidVersion(version):
			return fmt.Errorf("%q is not a semantic version", version)
		case v == nil || !digestPattern.MatchString(v.Digest):
			return fmt.Errorf("version %s has no digest", version)
		case v.Size < 0 || len(v.File) > maxText:
			return fmt.Errorf("version %s can't have come from such a file", version)
		}
	}
	for _, version := range []string{p.Active, p.Previous} {
		if version != "" && !p.has(version) {
			return fmt.Errorf("version %q is not installed", version)
		}
	}
	if p.Replaced != "" && !plugin.ValidName(p.Replaced) {
		return fmt.Errorf("%q, which it replaced, is not a plugin's name", p.Replaced)
	}
	if c := p.Canary; c != nil && (!p.has(c.Version) || c.Percent < 1 || c.Percent > MaxCanary) {
		return fmt.Errorf("version %q can't be a canary with %d percent", c.Version, c.Percent)
	}
	if w := p.Withdrawn; w != nil && (w.Version != plugin.Base && !plugin.ValidVersion(w.Version) || len(w.Reason) > maxText) {
		return fmt.Errorf("%q can't have been withdrawn", w.Version)
	}
	if p.Grants != nil {
		return plugin.CheckGrants(*p.Grants)
	}
	return nil
}

func (p *Plugin) has(version string) bool {
	return version == plugin.Base || p.Versions[version] != nil
}
