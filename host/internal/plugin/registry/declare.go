package registry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/store"
	"github.com/provisor/provisor/proto/guestpb"
)

// Declared is what a configuration says of plugins. It goes before what operators choose at run time: what they say against it is refused, and
// what they have said before counts again when it is gone.
type Declared struct {
	// Plugins are in the order of the configuration. The first version of each is the active one, and the first plugin the default one.
	Plugins []DeclaredPlugin
	// Tenants are the plugins of single tenants, at a version or, where that is empty, at the active one.
	Tenants map[string]plugin.Ref
}

// DeclaredPlugin is a version of a plugin that a configuration declares, or, where the version is empty, a plugin whose version operators choose.
type DeclaredPlugin struct {
	plugin.Ref
	// Source is the path of its file, or where to get it by HTTPS; empty = it must be installed already. Digest is the SHA-256 that it must have, in
	// hexadecimal; empty = any.
	Source, Digest string
	// Grants are what the plugin is granted, and Limits what bounds its sessions, at all versions: those of the first entry count. nil = what holds for
	// any plugin.
	Grants *plugin.Grants
	Limits *guestpb.Limits
	// At is where it is declared, for messages.
	At string
}

// first is the first entry of that name, or nil.
func (d *Declared) first(name string) *DeclaredPlugin {
	i := slices.IndexFunc(d.Plugins, func(p DeclaredPlugin) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &d.Plugins[i]
}

// defaultPlugin is the plugin that is declared for tenants that choose none; empty = none is.
func (d *Declared) defaultPlugin() string {
	if len(d.Plugins) == 0 {
		return ""
	}
	return d.Plugins[0].Name
}

// grants are those that are declared for the plugin, or nil.
func (d *Declared) grants(name string) *plugin.Grants {
	if p := d.first(name); p != nil {
		return p.Grants
	}
	return nil
}

// over is what operators have chosen, with what is declared in its place.
func (d *Declared) over(s *store.State) *store.State {
	if len(d.Plugins) == 0 {
		return s
	}
	s = s.Clone()
	s.Default = d.defaultPlugin()
	for _, p := range d.Plugins {
		if d.first(p.Name).Ref != p.Ref {
			continue
		}
		of := pluginOf(s, p.Name)
		of.Replaced = ""
		if p.Version != "" {
			of.Active, of.Previous, of.Canary, of.Withdrawn = p.Version, "", nil, nil
		}
		if p.Grants != nil {
			of.Grants = p.Grants
		}
	}
	for name, ref := range d.Tenants {
		if s.Tenants == nil {
			s.Tenants = make(map[string]store.Choice)
		}
		s.Tenants[name] = store.Choice{Plugin: ref.Name, Version: ref.Version}
	}
	return s
}

// declaration is what is declared now.
func (r *Registry) declaration() *Declared {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.declared
}

// mayChoose says why a choice can't be made beside what is declared.
func (r *Registry) mayChoose(c Choice) error {
	d := r.declaration()
	if c.Tenant != "" {
		if ref, ok := d.Tenants[c.Tenant]; ok {
			return errorf(Conflict, "the configuration gives the tenant %s the plugin %s: change it there, and reload it", c.Tenant, ref)
		}
		return nil
	}
	if p := d.first(c.Name); p != nil && p.Version != "" {
		return errorf(Conflict, "the configuration says that new sessions get %s (%s): change it there, and reload it", p.Ref, p.At)
	}
	return nil
}

// Preparation is another declaration, found good and not in force yet. Nothing can be installed or chosen before Commit or Discard is called.
type Preparation struct {
	registry *Registry
	declared *Declared
	// stored is what operators have chosen, installed what was installed for the declaration, fresh what was loaded for it.
	stored    *store.State
	installed []plugin.Ref
	fresh     map[string]*version
	leave     func()
}

// Prepare gets all ready for another declaration: its plugins are installed and loaded. Sessions notice nothing before Commit. If anything is
// wrong with one of them, nothing is left of it.
func (r *Registry) Prepare(ctx context.Context, d Declared) (_ *Preparation, err error) {
	p := &Preparation{registry: r, declared: &d}
	if p.leave, err = r.enterInstallation(ctx); err != nil {
		return nil, err
	}
	installed, drop, err := r.installDeclared(ctx, &d)
	p.installed = installed
	// They stay loaded until they are in use, if they will be.
	defer drop()
	for err == nil {
		p.stored = r.chosen()
		if p.fresh, err = r.loadMissing(ctx, r.current(), d.over(p.stored)); err != nil {
			break
		}
		r.changing.Lock()
		if r.chosen() == p.stored {
			return p, nil
		}
		r.changing.Unlock()
		r.dropAll(p.fresh)
	}
	p.leave()
	r.uninstall(p.installed)
	return nil, err
}

// Commit puts the declaration into force for sessions that begin from now on.
func (p *Preparation) Commit() {
	r := p.registry
	next := p.declared.over(p.stored)
	unused := r.publish(p.declared, p.stored, next, r.selected(next), p.fresh)
	r.changing.Unlock()
	p.leave()
	r.dropAll(unused)
	r.dropAll(p.fresh)
}

// Discard leaves all as it was.
func (p *Preparation) Discard() {
	p.registry.changing.Unlock()
	p.leave()
	p.registry.dropAll(p.fresh)
	p.registry.uninstall(p.installed)
}

func (r *Registry) dropAll(versions map[string]*version) {
	for _, v := range versions {
		r.shelf.drop(v)
	}
}

// uninstall removes what was installed for a declaration that is not to be. What somebody has come to use meanwhile stays.
func (r *Registry) uninstall(installed []plugin.Ref) {
	for _, ref := range installed {
		if err := r.Remove(context.Background(), ref); err != nil {
			r.o.Log.Warn("a plugin stays installed that the configuration does not need", "plugin", ref.Name, "version", ref.Version, "error", err)
		}
	}
}

// installDeclared installs the versions that are declared and not installed yet, and loads the others. drop lets go of these.
func (r *Registry) installDeclared(ctx context.Context, d *Declared) (installed []plugin.Ref, drop func(), err error) {
	var held []*version
	drop = func() {
		for _, v := range held {
			r.shelf.drop(v)
		}
	}
	for _, p := range d.Plugins {
		if p.Version == "" {
			continue
		}
		v, err := r.takeDeclared(ctx, d, p)
		if err == nil && v == nil {
			if err = r.installOne(ctx, d, p); err == nil {
				installed = append(installed, p.Ref)
			}
		}
		if err != nil {
			return installed, drop, fmt.Errorf("%s: plugin %s: %w", p.At, p.Ref, err)
		}
		if v != nil {
			held = append(held, v)
		}
	}
	return installed, drop, nil
}

// takeDeclared loads a declared version that is installed; nil = it is not.
func (r *Registry) takeDeclared(ctx context.Context, d *Declared, p DeclaredPlugin) (*version, error) {
	s := d.over(r.chosen())
	key := r.key(s, p.Ref)
	if key == "" {
		return nil, nil
	}
	if _, err := r.clash(s, p.Ref, cmp.Or(p.Digest, key)); err != nil {
		return nil, err
	}
	v, err := r.load(ctx, key, p.Ref, s)
	if err != nil {
		return nil, err
	}
	if err := r.missing(r.grants(s, p.Name), v.plugin.Manifest, p.Ref); err != nil {
		r.shelf.drop(v)
		return nil, err
	}
	return v, nil
}

func (r *Registry) installOne(ctx context.Context, d *Declared, p DeclaredPlugin) error {
	if p.Source == "" {
		return errorf(NotFound, "it is not installed: say its source, or install it (provisor plugin install)")
	}
	if err := r.writable(); err != nil {
		return err
	}
	module, err := r.open(ctx, p.Source)
	if err != nil {
		return err
	}
	defer module.Close()
	granted := r.grants(d.over(r.chosen()), p.Name)
	_, err = r.installNext(ctx, Installation{Module: module, Digest: p.Digest, Want: p.Ref, granted: &granted})
	return err
}

// fetchTime is how long a plugin may take to come over the network.
const fetchTime = 5 * time.Minute

// open opens what is at the source of a plugin.
func (r *Registry) open(ctx context.Context, source string) (io.ReadCloser, error) {
	if !strings.HasPrefix(source, "https://") {
		f, err := plugin.Read(source)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(f.Module)), nil
	}
	client := http.Client{Transport: r.o.Transport, Timeout: fetchTime, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if req.URL.Scheme != "https" || len(via) >= 10 {
			return errors.New("it leads to somewhere else too often, or not by HTTPS")
		}
		return nil
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(req)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("the answer is %s", answer.Status), answer.Body.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", source, err)
	}
	return answer.Body, nil
}
