// Package host is the runtime: it compiles a plugin, finds an engine, and runs sessions. The command line and the server
// are its first two users. It knows no transport.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/provisor/provisor/host/internal/exec/jail"
	"github.com/provisor/provisor/host/internal/garbage"
	"github.com/provisor/provisor/host/internal/observe"
	"github.com/provisor/provisor/host/internal/plugin/deploy"
	"github.com/provisor/provisor/host/internal/plugin/registry"
	"github.com/provisor/provisor/host/internal/plugin/store"
	"github.com/provisor/provisor/host/internal/queue"
	"github.com/provisor/provisor/host/internal/sandbox"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/host/internal/userids"
	"github.com/provisor/provisor/host/internal/workdir"
	"github.com/provisor/provisor/host/internal/workdir/recovery"
	"github.com/provisor/provisor/proto/guestpb"
)

// Options of a runtime. The zero value runs the terraform plugin with the engine that is on the PATH.
type Options struct {
	// Plugin is a .wasm file, or the directory of a Go plugin, which is built first; or, where there is nothing of that name, the name of an
	// installed plugin. Empty = the terraform plugin. It runs unless an operator has chosen an installed one.
	Plugin string
	// Plugins is the directory of installed plugins, and of what was chosen of them. Empty = none can be installed.
	Plugins string
	// Deploy is a directory that is watched: plugins that are put there are installed and used. Empty = none.
	Deploy string
	// Grants are what plugins may use of the host, by the plugin's name. What others may use is DefaultGrants, unless an operator says otherwise
	// at run time.
	Grants map[string]Grants
	// Declared are the plugins that can't be chosen otherwise at run time, in the place of what operators have chosen. The first is that of tenants
	// that name none.
	Declared []DeclaredPlugin
	// PluginSettings are told to plugins, by name. Which names there are is theirs to say.
	PluginSettings map[string]string
	// Engine is the path of Terraform or OpenTofu. Empty = terraform, then tofu on the PATH, then an OpenTofu that is built.
	Engine string
	// Mirror is a directory of providers that engines look into first. Empty = the one in the cache directory.
	Mirror string
	// EngineEnv is what the engine gets of this process's environment: NAME lets the variable through, NAME=VALUE sets it.
	EngineEnv []string
	// Engines are the engines that tenants can be given, in the place of Engine, Mirror and EngineEnv. The first is that of tenants that name none.
	Engines []EngineOptions
	// Tenants are the tenants that there are. nil = there may be any, with what these options say of all.
	Tenants map[Tenant]TenantOptions
	// CacheDir holds what can be made again: compiled plugins, engines, providers, what sessions keep for later ones. Empty = DefaultCacheDir.
	CacheDir string
	// DataDir holds what can't: the directories of running sessions, and the states that could not be delivered. Empty = DefaultDataDir.
	DataDir string
	// MinFree is how many bytes must be free in DataDir for an apply to begin. 0 = DefaultMinFree, negative = it begins in any case.
	MinFree int64
	// Ballast is how many bytes in DataDir are given up for states when the disk is full. 0 = DefaultBallast, negative = none.
	Ballast int64
	// MaxKept is how many bytes of undelivered states a tenant may have before its applies are refused. 0 = DefaultMaxKept, negative = any.
	MaxKept int64
	// ExitTimeout is how long an engine may take to end after an interrupt. 0 = 3 minutes.
	ExitTimeout time.Duration
	// RequestTimeout is the longest that one request may run. 0 = 6 hours, negative = no limit.
	RequestTimeout time.Duration
	// GracePeriod is how long a plugin may take to answer after a cancel, once its programs have ended. 0 = 10 seconds.
	GracePeriod time.Duration
	// MemoryBytes is the most memory of one instance of the plugin. 0 = 256 MiB.
	MemoryBytes uint64
	// Concurrency is how many requests run at once; sessions without one count for nothing. 0 = DefaultConcurrency.
	Concurrency int
	// ProviderCache is how many bytes of providers that sessions have downloaded are kept for each tenant. 0 = DefaultProviderCache, negative =
	// none: each session downloads for itself what no mirror has.
	ProviderCache int64
	// Limits bound a request or session; a zero field means that of DefaultLimits.
	Limits *guestpb.Limits
	// FreshInstances gives each request an instance of its own. Plugins must be able to work so, since a host may replace an
	// instance between any two requests; it costs time, and is for tests of plugins.
	FreshInstances bool
	// NoSnapshots has each instance of a plugin initialised anew, as PROVISOR_SNAPSHOTS=off in the environment does, instead of copying one that
	// has been initialised where the plugin allows that. It costs time, and is for tests and measurements.
	NoSnapshots bool
	// Dependencies is shown what the engine's graph command has printed (DOT) whenever a plugin ran it, by one goroutine of each
	// session. nil = nobody.
	Dependencies func(dot []byte)
	// Jail says what the sandbox around each engine is made of; the zero value takes what the machine offers.
	Jail JailOptions
	// Observer is told of sessions, their requests and their program runs; nil = nobody.
	Observer Observer
	// Log is the daemon's log. nil = none.
	Log *slog.Logger
	// Audit gets a line for each session, when it ends. nil = Log does.
	Audit *slog.Logger
	// Progress is told of what takes longer than a second (building, compiling, downloading). nil = nobody.
	Progress io.Writer
}

// Runtime runs sessions. Its methods may be called from several goroutines.
type Runtime struct {
	options Options
	sandbox *sandbox.Runtime
	store   *store.Store
	plugins *registry.Registry
	deploy  *deploy.Watch
	workdir *workdir.Store
	states  *recovery.Store
	jail    *jail.Jail
	// supervisorCPU is the processor time of supervisors that have ended, in nanoseconds.
	supervisorCPU atomic.Int64
	// users are the tenants' user ids; nil = they have none.
	users *userids.Store
	queue *queue.Queue
	setup atomic.Pointer[setup]
	// prepared waits for what sessions stand on, while New makes the runtime.
	prepared func() error
	mu       sync.Mutex
	// open is how many sessions each tenant has.
	open map[tenant.Tenant]int
	// disks has a *diskUse for each tenant whose disk is bounded.
	disks sync.Map
	// killed ends when Kill is called.
	killed context.Context
	kill   context.CancelFunc
}

// DefaultCacheDir is "provisor" in the user's cache directory.
func DefaultCacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w (set HOME, or name a directory)", err)
	}
	return filepath.Join(dir, "provisor"), nil
}

// CompiledDir is where a cache directory has what plugins are compiled to.
func CompiledDir(cacheDir string) string { return filepath.Join(cacheDir, "compiled") }

// DefaultDataDir is "provisor" in $XDG_STATE_HOME, or in ~/.local/state.
func DefaultDataDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "provisor"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the data directory: %w (set HOME, or name a directory)", err)
	}
	return filepath.Join(home, ".local", "state", "provisor"), nil
}

// New returns a runtime: the plugins that sessions may get are loaded and checked, the engine is found if one of them asks for it, and what
// a dead daemon left is removed.
func New(ctx context.Context, o Options) (_ *Runtime, err error) {
	quiet := o.Log == nil
	if err := o.fill(); err != nil {
		return nil, err
	}
	r := &Runtime{options: o, queue: queue.New(o.Concurrency, o.share), open: make(map[tenant.Tenant]int)}
	r.killed, r.kill = context.WithCancel(context.WithoutCancel(ctx))
	r.prepared = sync.OnceValue(r.prepare)
	defer func() {
		if err != nil {
			_ = r.prepared() // it may still go on
			err = errors.Join(err, r.Close())
		}
	}()
	// The jail is tried by other processes while this one loads plugins, which would be in vain where there can be no jail.
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var preparing sync.WaitGroup
	defer preparing.Wait()
	preparing.Go(func() {
		if r.prepared() != nil {
			stop()
		}
	})
	loadErr := r.load(loading)
	if err := r.prepared(); err != nil {
		return nil, err
	}
	if loadErr != nil {
		return nil, loadErr
	}
	// One that is named must be there whatever plugins ask for.
	if err := r.setup.Load().findEngines(ctx, false); err != nil {
		return nil, err
	}
	if n := r.states.Rescued(); n > 0 && quiet {
		fmt.Fprintf(o.Progress, "states of applies that were cut short and are kept: %d. See provisor recover list\n", n)
	}
	if err := r.startDeploy(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// prepare makes what sessions stand on, but for their plugins: the jail, directories, users.
func (r *Runtime) prepare() (err error) {
	if r.jail, err = newJail(r.options); err != nil {
		return err
	}
	s, err := newSetup(r.options, r.jail)
	if err != nil {
		return err
	}
	r.setup.Store(s)
	if err := r.openDirectories(); err != nil {
		return err
	}
	return r.openUsers()
}

// load loads the plugins that sessions may get.
func (r *Runtime) load(ctx context.Context) (err error) {
	o := r.options
	if r.sandbox, err = sandbox.New(ctx, sandbox.Options{
		CacheDir: CompiledDir(o.CacheDir), NoSnapshots: o.NoSnapshots, Limits: sandboxLimits(o.limits()), Log: o.Log,
	}); err != nil {
		return err
	}
	return r.openPlugins(ctx)
}

func (o *Options) fill() (err error) {
	if o.CacheDir == "" {
		if o.CacheDir, err = DefaultCacheDir(); err != nil {
			return err
		}
	}
	if o.DataDir == "" {
		if o.DataDir, err = DefaultDataDir(); err != nil {
			return err
		}
	}
	if o.Concurrency == 0 {
		o.Concurrency = DefaultConcurrency()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if o.Observer == nil {
		o.Observer = observe.All()
	}
	return o.Jail.fill()
}

// Observer is told of sessions, their requests and their program runs.
type Observer = observe.Observer

// Tenant is on whose behalf a session runs.
type Tenant = tenant.Tenant

// DefaultTenant is the tenant of a runtime that serves just one.
var DefaultTenant = tenant.Default

// ParseTenant returns the tenant of that name: lower-case letters and digits, single hyphens between them.
func ParseTenant(name string) (Tenant, error) { return tenant.Parse(name) }

// Stream is a stream of serialized messages, seen from the session.
type Stream = session.Stream

// ErrKill as the cause of the end of a session's context ends the session at once: programs are killed, and no answer is waited for.
var ErrKill = session.ErrKill

// Session serves one session for the tenant on the stream, up to its end. It returns nil after a session that the client ended well.
func (r *Runtime) Session(ctx context.Context, t Tenant, s Stream) error {
	defer garbage.After()
	p, err := r.setup.Load().profile(t)
	if err != nil {
		return fmt.Errorf("begin the session: %w", err)
	}
	leave, err := r.enter(p)
	if err != nil {
		p.refused(ctx, session.OutcomeOf(err), session.LimitOf(err))
		return err
	}
	defer leave()
	lease, err := r.plugins.Lease(t)
	if err != nil {
		p.refused(ctx, "unready plugin", "")
		return fmt.Errorf("begin the session: %w", err)
	}
	defer lease.Release()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	u, err := r.use(ctx, p, lease.Plugin, lease.Grants, lease.Limits)
	if err != nil {
		p.refused(ctx, "unready engine", "")
		return fmt.Errorf("begin the session: %w", err)
	}
	o := u.sessionOptions()
	o.Failed = func(string) { lease.Failed() }
	return u.observed(ctx, o.ID, func() { cancel(session.ErrOperator) }, func(ctx context.Context, report *observe.Session) error {
		o.Observer, o.Report = p.options.Observer, report
		o.Ended = func(m session.Summary) { u.ended(report, m) }
		return session.Run(ctx, o, s)
	})
}

// Plugins are the runtime's plugins, for whoever manages them.
func (r *Runtime) Plugins() *Plugins { return r.plugins }

// Plugins install plugins and say which version new sessions get.
type Plugins = registry.Registry

// Kill ends all sessions at once, also those that are coming to an end already: programs are killed, and no answer is waited for.
func (r *Runtime) Kill() { r.kill() }

// Close frees the runtime. Sessions must have ended.
func (r *Runtime) Close() error {
	r.kill()
	errs := []error{r.closePlugins(), r.closeDirectories()}
	if r.sandbox != nil {
		errs = append(errs, r.sandbox.Close(context.Background()))
	}
	return errors.Join(errs...)
}
