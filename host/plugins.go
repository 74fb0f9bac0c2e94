package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/deploy"
	"github.com/provisor/provisor/host/internal/plugin/registry"
	"github.com/provisor/provisor/host/internal/plugin/store"
	"github.com/provisor/provisor/host/internal/progress"
	"github.com/provisor/provisor/host/internal/sandbox"
)

// Grants are what an operator lets a plugin do.
type Grants = plugin.Grants

// DeclaredPlugin is a plugin that the options declare.
type DeclaredPlugin = registry.DeclaredPlugin

// PluginRef is a plugin or, with a version, one of its versions.
type PluginRef = plugin.Ref

// declared is what the options say of plugins.
func (o Options) declared() registry.Declared {
	d := registry.Declared{Plugins: o.Declared, Tenants: make(map[string]plugin.Ref)}
	for t, own := range o.Tenants {
		if own.Plugin.Name != "" {
			d.Tenants[t.Name()] = own.Plugin
		}
	}
	return d
}

// DefaultEnv are the environment names that plugins may set for the engine unless the operator grants others.
var DefaultEnv = []string{"TF_VAR_*", "TF_LOG", "CODER_*"}

// DefaultGrants are what any plugin is granted of what it asks for, unless the operator says otherwise.
func DefaultGrants() Grants { return Grants{Programs: []string{engineProgram}, Env: DefaultEnv} }

// openPlugins loads the plugins that sessions may get.
func (r *Runtime) openPlugins(ctx context.Context) error {
	base, err := r.base(ctx)
	if err != nil {
		return err
	}
	o := r.options
	if o.Plugins != "" {
		if r.store, err = store.Open(o.Plugins, o.Log); err != nil {
			return err
		}
		if r.store.ReadOnly() {
			o.Log.Warn("the plugins that are installed can't be changed here", "directory", o.Plugins, "reason", store.ErrReadOnly)
		}
	}
	r.plugins, err = registry.New(ctx, registry.Options{
		Base: base, Store: r.store, Sandbox: r.sandbox, Ready: r.ready, Probe: r.probe,
		Grants: o.Grants, DefaultGrants: DefaultGrants(), Declared: o.declared(), Log: o.Log,
	})
	return err
}

// PluginsDir is where a data directory has installed plugins.
func PluginsDir(dataDir string) string { return filepath.Join(dataDir, "plugins") }

// startDeploy begins to watch the directory for plugins, if there is one.
func (r *Runtime) startDeploy(ctx context.Context) (err error) {
	dir := r.options.Deploy
	if dir == "" {
		return nil
	}
	if r.store == nil || r.store.ReadOnly() {
		return fmt.Errorf("watch the directory %s for plugins: %w", dir, store.ErrReadOnly)
	}
	r.deploy, err = deploy.Start(ctx, deploy.Options{Dir: dir, Registry: r.plugins, MaxBytes: r.sandbox.Limits().ModuleBytes, Log: r.options.Log})
	return err
}

func (r *Runtime) closePlugins() error {
	var errs []error
	if r.deploy != nil {
		errs = append(errs, r.deploy.Close())
	}
	if r.plugins != nil {
		errs = append(errs, r.plugins.Close())
	}
	if r.store != nil {
		errs = append(errs, r.store.Close())
	}
	return errors.Join(errs...)
}

// ready finds the engine if the plugin may run it.
func (r *Runtime) ready(ctx context.Context, p *plugin.Plugin, g plugin.Grants) error {
	if !g.Of(p.Manifest).Program(engineProgram) {
		return nil
	}
	if err := r.prepared(); err != nil {
		return err
	}
	return r.setup.Load().findEngines(ctx, true)
}

// base is the plugin that the options name.
func (r *Runtime) base(ctx context.Context) (registry.Base, error) {
	o := r.options
	base := registry.Base{Name: plugin.DefaultName, Load: func(ctx context.Context) (*plugin.Plugin, error) { return loadPlugin(ctx, r.sandbox, o) }}
	if o.Plugin == "" {
		return base, nil
	}
	base.Named = true
	_, err := os.Stat(o.Plugin)
	if errors.Is(err, fs.ErrNotExist) && o.Plugins != "" && plugin.ValidName(o.Plugin) {
		return registry.Base{Name: o.Plugin, Named: true}, nil
	}
	if err != nil {
		return base, fmt.Errorf("plugin: %w", err)
	}
	ref, err := plugin.Identify(o.Plugin)
	base.Name, base.Version = ref.Name, ref.Version
	return base, err
}

// loadPlugin loads the plugin that the options name; a directory is built first.
func loadPlugin(ctx context.Context, rt *sandbox.Runtime, o Options) (*plugin.Plugin, error) {
	file, err := pluginFile(ctx, o)
	if err != nil {
		return nil, err
	}
	defer progress.Announce(o.Progress, "compiling the plugin "+file+" ...")()
	return plugin.Load(ctx, rt, file)
}

func pluginFile(ctx context.Context, o Options) (string, error) {
	build := plugin.BuildOptions{CacheDir: o.CacheDir, Progress: o.Progress}
	if o.Plugin == "" {
		return plugin.Default(ctx, plugin.DefaultName, build)
	}
	info, err := os.Stat(o.Plugin)
	if err != nil {
		return "", fmt.Errorf("plugin: %w", err)
	}
	if !info.IsDir() {
		return o.Plugin, nil
	}
	return plugin.BuildCached(ctx, o.Plugin, build)
}
