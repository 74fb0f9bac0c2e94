// Package daemon is a runtime and a server as a configuration describes them, and changes both when the configuration changes.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/access"
	"github.com/provisor/provisor/host/internal/config"
	"github.com/provisor/provisor/host/internal/observe"
	"github.com/provisor/provisor/host/internal/server"
	"github.com/provisor/provisor/host/internal/telemetry"
	"github.com/provisor/provisor/host/internal/telemetry/traces"
)

// Options are what a configuration leaves open.
type Options struct {
	// Runtime has what holds where the configuration says nothing.
	Runtime host.Options
	// Output gets the log.
	Output io.Writer
	// Version is this program's.
	Version string
}

// Daemon serves sessions as its configuration says.
type Daemon struct {
	options Options
	level   *slog.LevelVar
	log     *slog.Logger
	audit   auditFile
	runtime *host.Runtime
	server  *server.Server
	// telemetry is nil where there is none.
	telemetry *telemetry.Telemetry
	// traces is nil where none are sent.
	traces *traces.Traces

	// mu is held while the configuration changes.
	mu     sync.Mutex
	config *config.Config
}

// Open makes all ready that the configuration describes, and listens. Serve or Close must be called.
func Open(ctx context.Context, c *config.Config, o Options) (_ *Daemon, err error) {
	d := &Daemon{options: o, config: c, level: new(slog.LevelVar)}
	d.level.Set(c.Log.Level)
	d.log = newLog(o.Output, c.Log.Format, d.level)
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if c.Telemetry.Listen != "" {
		if d.telemetry, err = telemetry.Start(telemetry.Options{
			Listen: c.Telemetry.Listen, Insecure: c.Telemetry.Insecure, Version: o.Version, Log: d.log,
		}); err != nil {
			return nil, err
		}
	}
	if err := d.startTraces(ctx, c.Telemetry.Traces); err != nil {
		return nil, err
	}
	listening, err := d.serverOptions(c)
	if err != nil {
		return nil, err
	}
	if c.AuditFile != "" {
		if d.audit.file, err = openAudit(c.AuditFile); err != nil {
			return nil, err
		}
	}
	if d.runtime, err = host.New(ctx, d.runtimeOptions(c)); err != nil {
		return nil, err
	}
	listening.Health = host.JailHealth(d.runtime.Jail())
	if d.server, err = server.Listen(listening, d.runtime.Session); err != nil {
		return nil, err
	}
	if d.telemetry != nil {
		d.telemetry.Watch(telemetry.Of(d.runtime, d.server))
	}
	return d, nil
}

// startTraces begins to send traces, if they are wanted.
func (d *Daemon) startTraces(ctx context.Context, c config.Traces) error {
	if c.Endpoint == "" {
		return nil
	}
	headers, err := config.ReadHeaders(c.HeadersFile)
	if err != nil {
		return err
	}
	d.traces, err = traces.Start(ctx, traces.Options{
		Endpoint: c.Endpoint, Insecure: c.Insecure, CA: c.CA, Headers: headers, Ratio: c.SampleRatio, Version: d.options.Version, Log: d.log,
	})
	return err
}

func newLog(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// DefaultDrainTimeout is how long running sessions may go on at the daemon's end, where the configuration says nothing.
const DefaultDrainTimeout = 5 * time.Minute

// Log is the daemon's log.
func (d *Daemon) Log() *slog.Logger { return d.log }

// Runtime is what runs the daemon's sessions.
func (d *Daemon) Runtime() *host.Runtime { return d.runtime }

// Addresses are where the daemon listens.
func (d *Daemon) Addresses() []string { return d.server.Addresses() }

// TelemetryAddress is where metrics and health are served; empty = nowhere.
func (d *Daemon) TelemetryAddress() string {
	if d.telemetry == nil {
		return ""
	}
	return d.telemetry.Address()
}

// Serve serves until ctx ends, and then drains; see server.Server.
func (d *Daemon) Serve(ctx context.Context) error { return d.server.Serve(ctx) }

// Kill ends all sessions at once.
func (d *Daemon) Kill() {
	d.runtime.Kill()
	// Serve returns what it finds.
	_ = d.server.Close()
}

// Close frees what the daemon has. Serve must have returned, or never have been called.
func (d *Daemon) Close() error {
	var errs []error
	if d.server != nil {
		errs = append(errs, d.server.Close())
	}
	if d.runtime != nil {
		errs = append(errs, d.runtime.Close())
	}
	if d.traces != nil {
		errs = append(errs, d.traces.Close())
	}
	if d.telemetry != nil {
		errs = append(errs, d.telemetry.Close())
	}
	errs = append(errs, d.audit.replace(nil))
	return errors.Join(errs...)
}

// Reload reads the configuration again and puts it into force for sessions that begin from now on. If anything in it is wrong, nothing
// changes, and the error says why.
func (d *Daemon) Reload(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.reload(ctx)
	if d.telemetry != nil {
		d.telemetry.Reloaded(err)
	}
	if err != nil {
		d.log.Error("the configuration was not reloaded, the old one stays", "file", d.config.File, "error", err)
		return fmt.Errorf("the configuration was not reloaded, the old one stays: %w", err)
	}
	d.log.Info("the configuration was reloaded", "file", d.config.File, "tenants", len(d.config.Tenants))
	return nil
}

func (d *Daemon) reload(ctx context.Context) error {
	c, err := config.Load(d.config.File)
	if err != nil {
		return err
	}
	if c.Log.Format != d.config.Log.Format {
		return errors.New("the log's format can't change while the daemon runs: restart it, or leave it as it is")
	}
	if c.AdminSocket != d.config.AdminSocket {
		return errors.New("admin_socket can't change while the daemon runs: restart it, or leave it as it is")
	}
	if c.Telemetry != d.config.Telemetry {
		return errors.New("telemetry can't change while the daemon runs: restart it, or leave it as it is")
	}
	listening, err := d.serverOptions(c)
	if err != nil {
		return err
	}
	sessions, err := d.runtime.Prepare(ctx, d.runtimeOptions(c))
	if err != nil {
		return err
	}
	var audit *os.File
	if c.AuditFile != "" {
		if audit, err = openAudit(c.AuditFile); err != nil {
			sessions.Discard()
			return err
		}
	}
	doors, err := d.server.Prepare(listening)
	if err != nil {
		sessions.Discard()
		return errors.Join(err, closeFile(audit))
	}
	if audit != nil {
		// Where there is none any more, sessions that began with one still leave their lines in it.
		if err := d.audit.replace(audit); err != nil {
			d.log.Warn("close the old audit file", "error", err)
		}
	}
	sessions.Commit()
	doors.Commit()
	d.level.Set(c.Log.Level)
	d.config = c
	return nil
}

func (d *Daemon) serverOptions(c *config.Config) (server.Options, error) {
	known, err := access.New(c.Credentials())
	o := server.Options{
		Access: known, MaxMessage: c.MaxMessage, Keepalive: c.Keepalive, StreamsPerConnection: uint32(c.MaxStreamsPerConnection),
		Streams: c.MaxStreams, DrainTimeout: DefaultDrainTimeout, Log: d.log,
	}
	set(&o.DrainTimeout, c.DrainTimeout)
	if d.telemetry != nil {
		o.Refused = d.telemetry.Refused
	}
	for _, l := range c.Listeners {
		o.Listeners = append(o.Listeners, server.Listener(l))
	}
	return o, err
}

// runtimeOptions are the daemon's own with what the configuration says over them.
func (d *Daemon) runtimeOptions(c *config.Config) host.Options {
	o := RuntimeOptions(d.options.Runtime, c)
	o.Log = d.log
	if d.telemetry != nil {
		o.Observer = observe.All(o.Observer, d.telemetry.Observer())
	}
	if d.traces != nil {
		o.Observer = observe.All(o.Observer, d.traces)
	}
	if c.AuditFile != "" {
		o.Audit = d.audit.logger()
	}
	return o
}

// RuntimeOptions are options with what a configuration says over them; logs are not among that.
func RuntimeOptions(o host.Options, c *config.Config) host.Options {
	set(&o.DataDir, c.DataDir)
	set(&o.CacheDir, c.CacheDir)
	set(&o.MinFree, c.MinFree)
	set(&o.Ballast, c.Ballast)
	set(&o.MaxKept, c.MaxKept)
	set(&o.ProviderCache, c.ProviderCache)
	set(&o.Concurrency, c.Concurrency)
	o.PluginSettings = c.PluginSettings
	set(&o.ExitTimeout, c.Limits.ExitTimeout)
	set(&o.GracePeriod, c.Limits.GracePeriod)
	o.Limits = c.Limits.Limits
	noNamespaces := o.Jail.NoNamespaces // which is no setting
	o.Jail = jailOptions(c.Jail)
	o.Jail.NoNamespaces = noNamespaces
	for _, e := range c.Engines {
		o.Engines = append(o.Engines, host.EngineOptions{
			Name: e.Name, Path: e.Path, Version: e.Version, Mirror: e.Mirror, Env: e.Env, Jail: jailOptions(e.Jail),
		})
	}
	for _, p := range c.Plugins {
		o.Declared = append(o.Declared, host.DeclaredPlugin{Ref: p.Ref, Source: p.Source, Digest: p.Digest, Grants: p.Grants, Limits: p.Limits, At: p.At})
	}
	if len(c.Tenants) > 0 {
		o.Tenants = make(map[host.Tenant]host.TenantOptions)
	}
	for _, t := range c.Tenants {
		o.Tenants[t.Tenant] = host.TenantOptions{
			Engine: t.Engine, Plugin: t.Plugin, Env: t.Env, Limits: t.Limits.Limits, ExitTimeout: t.Limits.ExitTimeout, GracePeriod: t.Limits.GracePeriod,
			Weight: t.Weight, Concurrency: t.Concurrency, Queue: t.Queue, Sessions: t.Sessions, Disk: t.Disk,
		}
	}
	return o
}

func jailOptions(j config.Jail) host.JailOptions {
	return host.JailOptions{Require: j.Require, Disable: j.Disable, Expose: j.Expose, Offline: j.Offline, Users: j.Users}
}

// set sets what the configuration does not leave out.
func set[T comparable](to *T, value T) {
	var zero T
	if value != zero {
		*to = value
	}
}
