package config

import (
	"path/filepath"
	"slices"

	"github.com/provisor/provisor/host/internal/exec/jail"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/host/internal/userids"
)

// jail reads a block about the jail.
func (r *reader) jail(s *jailShape) Jail {
	if s == nil {
		return Jail{}
	}
	j := Jail{Require: r.layers(s, "require", s.Require), Disable: r.layers(s, "disable", s.Disable)}
	for _, l := range j.Disable {
		if slices.Contains(j.Require, l) {
			r.problem(s.Body, "disable", "layer %q is both required and disabled: drop one of them", l)
		}
	}
	for _, path := range deref(s.Expose) {
		path = r.path(&path)
		if path == "" || filepath.Dir(path) == path {
			r.problem(s.Body, "expose", "expose has %q: want files and directories, not the root of all", path)
			continue
		}
		if err := r.files.exists(path); err != nil {
			r.problem(s.Body, "expose", "expose: %v", err)
		}
		j.Expose = append(j.Expose, path)
	}
	if s.Uids != nil {
		var err error
		if j.Users, err = userids.ParseRange(*s.Uids); err != nil {
			r.problem(s.Body, "uids", "%v", err)
		}
	}
	if s.Offline != nil {
		j.Offline = []string{}
	}
	var known []string
	for _, kind := range session.Requests() {
		known = append(known, kind.String())
	}
	for _, name := range deref(s.Offline) {
		if !slices.Contains(known, name) {
			r.problem(s.Body, "offline", "offline: there is no request %q: %s", name, meant(name, known))
			continue
		}
		j.Offline = append(j.Offline, name)
	}
	return j
}

// layers reads names of layers.
func (r *reader) layers(s *jailShape, key string, names *[]string) []jail.Layer {
	var layers []jail.Layer
	var known []string
	for _, l := range jail.Layers() {
		known = append(known, string(l))
	}
	for _, name := range deref(names) {
		if !slices.Contains(known, name) {
			r.problem(s.Body, key, "%s: there is no layer %q: %s", key, name, meant(name, known))
			continue
		}
		layers = append(layers, jail.Layer(name))
	}
	return layers
}

// checkEngineJail says where an engine's jail contradicts the one around all engines.
func (r *reader) checkEngineJail(e Engine, s *jailShape) {
	if e.Jail.Users != (userids.Range{}) {
		r.problem(s.Body, "uids", "uids are the same for all engines: set them in the jail block outside of engines")
	}
	for _, l := range e.Jail.Require {
		if slices.Contains(r.config.Jail.Disable, l) {
			r.problem(s.Body, "require", "engine %q requires layer %q, which the jail around all engines disables: drop one of them", e.Name, l)
		}
	}
	for _, l := range e.Jail.Disable {
		if slices.Contains(r.config.Jail.Require, l) {
			r.problem(s.Body, "disable", "engine %q disables layer %q, which the jail around all engines requires: drop one of them", e.Name, l)
		}
	}
}
