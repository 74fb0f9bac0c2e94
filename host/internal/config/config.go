// Package config reads the configuration of a daemon, in HCL, and says what is wrong with it: all of it, each with its file and line and what
// to do.
package config

import (
	"log/slog"
	"time"

	"github.com/provisor/provisor/host/internal/access"
	"github.com/provisor/provisor/host/internal/exec/jail"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/host/internal/userids"
	"github.com/provisor/provisor/proto/guestpb"
)

// Config is a configuration. What it leaves out is zero, and has its default where it is used. Paths are absolute.
type Config struct {
	// File is where it was read from.
	File string
	// DataDir holds what sessions have and what must not be lost, CacheDir what can be made again.
	DataDir, CacheDir string
	// Concurrency is how many requests run at once.
	Concurrency  int
	DrainTimeout time.Duration
	// MaxMessage is the largest message of a client, in bytes.
	MaxMessage int
	// MaxStreams is how many sessions may be open, MaxStreamsPerConnection how many of them on one connection.
	MaxStreams, MaxStreamsPerConnection int
	// Keepalive is within how long a client that has vanished is noticed.
	Keepalive time.Duration
	// MinFree, Ballast, MaxKept and ProviderCache are those of host.Options, in bytes.
	MinFree, Ballast, MaxKept, ProviderCache int64
	// PluginSettings are told to plugins, by name.
	PluginSettings map[string]string

	// AdminSocket is where an operator's commands are taken: a path, or NoAdminSocket; empty = beside the first socket.
	AdminSocket string
	// Jail is what is around all engines.
	Jail Jail

	Listeners []Listener
	Engines   []Engine
	// Plugins are those that are declared, in the file's order. A plugin has an entry for each of its versions.
	Plugins []Plugin
	// Tenants are the tenants that there are. None = the default one, without settings of its own.
	Tenants []Tenant
	Limits  Limits
	Log     Log
	// AuditFile is where each session leaves a line; empty = in the daemon's log.
	AuditFile string
	Telemetry Telemetry
}

// Listener is an address to listen on.
type Listener struct {
	Address                   string
	TLSCert, TLSKey, ClientCA string
	// CertificateOptional lets in clients without a certificate as well.
	CertificateOptional bool
	// Anonymous is the tenant of clients that show no credentials.
	Anonymous tenant.Tenant
	Insecure  bool
}

// Engine is a Terraform or OpenTofu for tenants to use.
type Engine struct {
	Name string
	// Path is the binary's; empty = the first that is found. Version is which versions will do, as Terraform writes constraints; empty = any.
	Path, Version string
	Mirror        string
	// Env is what it gets of this process's environment, NAME, or what is set there, NAME=VALUE.
	Env []string
	// Jail is what is around this engine beside that.
	Jail Jail
}

// NoAdminSocket in the place of a path: an operator's commands are not taken.
const NoAdminSocket = "none"

// Jail says what the sandbox around engines is made of.
type Jail struct {
	// Require are layers without which nothing runs, Disable are left out.
	Require, Disable []jail.Layer
	// Expose are paths that engines may read and execute.
	Expose []string
	// Offline are the names of requests whose programs get no network; nil = nothing is said about that.
	Offline []string
	// Users are the user ids for tenants.
	Users userids.Range
}

// Plugin is a plugin for tenants to get.
type Plugin struct {
	// Ref is its name and version; without a version, operators choose one.
	Ref plugin.Ref
	// Source is the path of a .wasm file, or where to get one by HTTPS; empty = it must be installed already.
	Source string
	// Digest is the SHA-256 that its file must have, in hexadecimal; empty = any.
	Digest string
	// Grants are what all versions of the plugin may use of the host, and Limits what bounds their sessions, in the first entry of that name. nil =
	// as for any plugin.
	Grants *plugin.Grants
	Limits *guestpb.Limits
	// At is where it is declared, FILE:LINE.
	At string
}

// Tenant is on whose behalf sessions run.
type Tenant struct {
	Tenant tenant.Tenant
	// Credentials are what its clients are known by.
	Credentials []access.Credential
	// Engine is the name of one of Engines; empty = the first, or that which is found where there are none.
	Engine string
	// Plugin is the name of one of Plugins, or one of its versions; empty = that of the first, unless operators give the tenant another.
	Plugin plugin.Ref
	// Env is over that of the engine.
	Env []string
	// Weight is the tenant's part of the machine, Concurrency how many of its requests run at once.
	Weight, Concurrency int
	// Queue is how many of its new sessions may wait for their turn, Sessions how many may be open.
	Queue, Sessions int
	// Disk is how many bytes its directories may hold in all for a new session to open.
	Disk   int64
	Limits Limits
}

// Limits bound a session or request. Zero fields mean those of the configuration around them.
type Limits struct {
	*guestpb.Limits
	ExitTimeout, GracePeriod time.Duration
}

// Log says how the daemon's log is written.
type Log struct {
	Level  slog.Level
	Format string
}
