package config

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/hashicorp/hcl/v2"

	"github.com/provisor/provisor/host/internal/tenant"
)

// reader makes a configuration of a file's shape. It goes on after a problem, so that all are found.
type reader struct {
	files    files
	dir      string
	config   *Config
	problems Problems
	// tenants are those that are declared, by name; or the default one, where it is implied by there being none.
	tenants map[string]tenant.Tenant
	implied bool
	// tokens and certificates say whether any tenant is known by such, good or bad.
	tokens, certificates bool
}

func (r *reader) read(f *fileShape) {
	c := r.config
	c.DataDir, c.CacheDir = r.path(f.DataDir), r.path(f.CacheDir)
	c.Concurrency = r.count(f.Body, "concurrency", f.Concurrency)
	c.DrainTimeout = r.duration(f.Body, "drain_timeout", f.DrainTimeout)
	c.Keepalive = r.duration(f.Body, "keepalive", f.Keepalive)
	c.MaxMessage = int(r.size(f.Body, "max_message", f.MaxMessage, 1, math.MaxInt32))
	c.MaxStreams = r.count(f.Body, "max_streams", f.MaxStreams)
	c.MaxStreamsPerConnection = r.count(f.Body, "max_streams_per_connection", f.MaxStreamsPerConnection)
	c.MinFree = r.size(f.Body, "min_free", f.MinFree, 0, math.MaxInt64)
	c.Ballast = r.size(f.Body, "ballast", f.Ballast, 0, math.MaxInt64)
	c.MaxKept = r.size(f.Body, "max_kept", f.MaxKept, 0, math.MaxInt64)
	c.ProviderCache = r.size(f.Body, "provider_cache", f.ProviderCache, 0, math.MaxInt64)
	if f.PluginSettings != nil {
		c.PluginSettings = *f.PluginSettings
	}
	c.Limits = r.limits(f.Limits, nil)
	c.Jail = r.jail(f.Jail)
	r.log(f.Log)
	if f.Audit != nil {
		c.AuditFile = r.path(&f.Audit.File)
	}
	r.telemetry(f.Telemetry)
	r.engines(f.Engine)
	r.plugins(f.Plugin)
	r.readTenants(f.Tenant)
	r.listeners(f.Listen)
	r.adminSocket(f)
}

// problem notes what is wrong with an attribute of a body.
func (r *reader) problem(body hcl.Body, name, format string, args ...any) {
	r.problems = append(r.problems, problemAt(rangeOf(body, name), format, args...))
}

// rangeOf is where the attribute's value stands.
func rangeOf(body hcl.Body, name string) hcl.Range {
	// Errors are about the rest of the body, and have been said.
	content, _, _ := body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: name}}})
	if content != nil {
		if a := content.Attributes[name]; a != nil {
			return a.Expr.Range()
		}
	}
	return body.MissingItemRange()
}

// path is a path relative to the file's directory; nil = none.
func (r *reader) path(p *string) string {
	switch {
	case p == nil || *p == "":
		return ""
	case filepath.IsAbs(*p):
		return filepath.Clean(*p)
	}
	return filepath.Join(r.dir, *p)
}

// file is the path of a regular file that is there.
func (r *reader) file(body hcl.Body, name string, p *string) string {
	path := r.path(p)
	if p == nil {
		return ""
	}
	if err := r.files.isFile(path); err != nil {
		r.problem(body, name, "%s: %v", name, err)
	}
	return path
}

// count is a number above 0; nil = 0.
func (r *reader) count(body hcl.Body, name string, n *int) int {
	if n == nil {
		return 0
	}
	if *n < 1 || *n > math.MaxInt32 {
		r.problem(body, name, "%s is %d: want a number from 1 on", name, *n)
		return 0
	}
	return *n
}

func (r *reader) duration(body hcl.Body, name string, text *string) time.Duration {
	if text == nil {
		return 0
	}
	d, err := time.ParseDuration(*text)
	if err != nil || d < time.Millisecond {
		r.problem(body, name, "%s is %q: want a duration such as \"90s\" or \"5m\"", name, *text)
		return 0
	}
	return d
}

// size is a number of bytes, with a unit or without; nil = 0. A size of 0, where it may be, is returned as -1.
func (r *reader) size(body hcl.Body, name string, text *string, least, most uint64) int64 {
	if text == nil {
		return 0
	}
	n, err := humanize.ParseBytes(*text)
	if err != nil || n < least || n > most {
		r.problem(body, name, "%s is %q: want a number of bytes, with a unit such as \"64MiB\" or without", name, *text)
		return 0
	}
	if n == 0 {
		return -1
	}
	return int64(n)
}

// choice is one of the values that there are; nil = the first.
func (r *reader) choice(body hcl.Body, name string, text *string, values ...string) string {
	if text == nil {
		return values[0]
	}
	if !slices.Contains(values, *text) {
		r.problem(body, name, "%s is %q: want one of %s", name, *text, strings.Join(values, ", "))
		return values[0]
	}
	return *text
}

// environment is what is set and what is passed on, in the form of engine.Options.Env.
func (r *reader) environment(body hcl.Body, set *map[string]string, pass *[]string) []string {
	var env []string
	check := func(key, name string) bool {
		if name == "" || strings.ContainsAny(name, "=\x00 ") {
			r.problem(body, key, "%q can't be the name of a variable", name)
			return false
		}
		return true
	}
	for _, name := range deref(pass) {
		if check("pass_env", name) {
			env = append(env, name)
		}
	}
	values := deref(set)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !check("env", name) {
			continue
		}
		if strings.ContainsRune(values[name], 0) {
			r.problem(body, "env", "the value of %s has a NUL byte", name)
			continue
		}
		env = append(env, name+"="+values[name])
	}
	return env
}

func (r *reader) log(l *logShape) {
	if l == nil {
		return
	}
	r.config.Log.Format = r.choice(l.Body, "format", l.Format, "text", "json")
	level := r.choice(l.Body, "level", l.Level, "info", "debug", "warn", "error")
	if err := r.config.Log.Level.UnmarshalText([]byte(level)); err != nil {
		r.problem(l.Body, "level", "%v", err)
	}
}

// once notes a name that is declared for the second time.
func (r *reader) once(seen map[string]hcl.Range, what, name string, at hcl.Range) bool {
	if before, ok := seen[name]; ok {
		r.problems = append(r.problems, problemAt(at, "%s %q is declared on line %d already", what, name, before.Start.Line))
		return false
	}
	seen[name] = at
	return true
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// names writes a list of names.
func names[T any](all []T, name func(T) string) string {
	if len(all) == 0 {
		return "none"
	}
	list := make([]string, len(all))
	for i, v := range all {
		list[i] = fmt.Sprintf("%q", name(v))
	}
	return strings.Join(list, ", ")
}
