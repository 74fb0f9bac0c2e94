package config

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/provisor/provisor/host/internal/plugin"
)

func (r *reader) plugins(shapes []pluginShape) {
	seen := make(map[string]hcl.Range)
	first := make(map[string]Plugin)
	for _, s := range shapes {
		p := Plugin{Ref: plugin.Ref{Name: s.Name, Version: deref(s.Version)}, At: fmt.Sprintf("%s:%d", s.At.Filename, s.At.Start.Line)}
		if _, err := plugin.ParseRef(s.Name); err != nil || strings.Contains(s.Name, "@") {
			r.problems = append(r.problems, problemAt(s.At, "plugin %q: want the name in its manifest, of lower-case letters, digits and hyphens; its version has a line of its own", s.Name))
			continue
		}
		if s.Version != nil && !plugin.ValidVersion(p.Ref.Version) {
			r.problem(s.Body, "version", "version is %q: want the one in its manifest, such as \"1.2.0\"", p.Ref.Version)
		}
		p.Digest, p.Source = r.digest(s), r.source(s)
		if s.Grants != nil {
			p.Grants = r.grants(s.Grants)
		}
		if s.Limits != nil {
			p.Limits = r.limits(s.Limits, notPlugins).Limits
		}
		r.checkSource(&p, s)
		if before, again := first[s.Name]; again {
			r.checkAgain(before, p, s.At)
		} else {
			first[s.Name] = p
		}
		if r.once(seen, "plugin", p.Ref.String(), s.At) {
			r.config.Plugins = append(r.config.Plugins, p)
		}
	}
}

// checkAgain looks at another version of a plugin.
func (r *reader) checkAgain(first, p Plugin, at hcl.Range) {
	switch {
	case (first.Ref.Version == "") != (p.Ref.Version == ""):
		r.problems = append(r.problems, problemAt(at, "plugin %q is declared at %s too: give each its version", p.Ref.Name, first.At))
	case p.Grants != nil || p.Limits != nil:
		r.problems = append(r.problems, problemAt(at, "plugin %q: grants and limits are for all versions: say them where it is declared first, at %s", p.Ref.Name, first.At))
	}
}

func (r *reader) digest(s pluginShape) string {
	if s.SHA256 == nil {
		return ""
	}
	digest := strings.ToLower(strings.TrimPrefix(*s.SHA256, "sha256:"))
	if b, err := hex.DecodeString(digest); err != nil || len(b) != 32 {
		r.problem(s.Body, "sha256", "sha256 is %q: want the file's SHA-256, as 64 hexadecimal digits; sha256sum FILE prints it", *s.SHA256)
		return ""
	}
	return digest
}

// source is the path of the plugin's file, or where to get it.
func (r *reader) source(s pluginShape) string {
	scheme, _, remote := strings.Cut(deref(s.Source), "://")
	switch {
	case !remote:
		return r.path(s.Source)
	case scheme == "file":
		path := strings.TrimPrefix(*s.Source, "file://")
		return r.path(&path)
	case scheme == "https":
		if u, err := url.Parse(*s.Source); err != nil || u.Host == "" || u.User != nil {
			r.problem(s.Body, "source", "source: want an address such as \"https://example.com/plugin.wasm\", with no user or password in it")
		} else if s.SHA256 == nil || s.Version == nil {
			r.problem(s.Body, "source", "source: what comes over the network needs version and sha256 beside it, so that it is what was meant")
		}
		return *s.Source
	}
	r.problem(s.Body, "source", "source begins with %q: want a path, file:// or https://", scheme+"://")
	return ""
}

// checkSource sees that the file, where it can be looked at, is what is declared.
func (r *reader) checkSource(p *Plugin, s pluginShape) {
	if s.Source != nil && p.Source == "" || strings.HasPrefix(p.Source, "https://") {
		return
	}
	if p.Source == "" {
		if s.SHA256 != nil {
			r.problem(s.Body, "sha256", "sha256 says nothing without a source")
		}
		return
	}
	ref, digest, err := r.files.identify(p.Source)
	switch {
	case err != nil:
		r.problem(s.Body, "source", "source: %v", err)
	case ref.Name != p.Ref.Name:
		r.problems = append(r.problems, problemAt(s.At, "plugin %q: %s is the plugin %s: call it so", s.Name, p.Source, ref.Name))
	case s.Version != nil && ref.Version != p.Ref.Version:
		r.problem(s.Body, "version", "version is %q, but %s is %s", p.Ref.Version, p.Source, ref)
	case p.Digest != "" && digest != p.Digest:
		r.problem(s.Body, "sha256", "sha256 is %s, but that of %s is %s: it is not what it should be, or the line is to be changed", p.Digest, p.Source, digest)
	}
	p.Ref.Version, p.Digest = ref.Version, digest
}

func (r *reader) grants(s *grantsShape) *plugin.Grants {
	g := &plugin.Grants{Programs: deref(s.Programs), Env: deref(s.Env)}
	if err := plugin.CheckGrants(*g); err != nil {
		r.problems = append(r.problems, problemAt(s.At, "%v", err))
	}
	return g
}

// pluginOf is the plugin that a tenant names.
func (r *reader) pluginOf(s tenantShape) plugin.Ref {
	ref, err := plugin.ParseRef(*s.Plugin)
	if err != nil {
		r.problem(s.Body, "plugin", "plugin: %v", err)
		return plugin.Ref{}
	}
	for _, p := range r.config.Plugins {
		if p.Ref == ref || p.Ref.Name == ref.Name && ref.Version == "" {
			return ref
		}
	}
	r.problem(s.Body, "plugin", "there is no plugin %q: declare it, or take one of %s", ref, names(r.config.Plugins, func(p Plugin) string { return p.Ref.String() }))
	return plugin.Ref{}
}
