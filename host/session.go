package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/provisor/provisor/host/internal/diskwatch"
	"github.com/provisor/provisor/host/internal/engine"
	"github.com/provisor/provisor/host/internal/exec"
	"github.com/provisor/provisor/host/internal/exec/jail"
	"github.com/provisor/provisor/host/internal/jailfs"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/queue"
	"github.com/provisor/provisor/host/internal/sandbox"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/host/internal/workdir"
	"github.com/provisor/provisor/host/internal/workdir/recovery"
	"github.com/provisor/provisor/proto/guestpb"
)

// use is a version of a plugin in a tenant's session, with what it may use of the runtime.
type use struct {
	*profile
	runtime *Runtime
	plugin  *plugin.Plugin
	grants  plugin.Grants
	limits  *guestpb.Limits
	// engine is that which the plugin may run; the zero one = none.
	engine *engine.Engine
}

// use is what sessions of that version are made of. What it is granted has been made ready. The limits are the plugin's own; nil = none. The error
// says that the engine was replaced by something that will not do.
func (r *Runtime) use(ctx context.Context, pr *profile, p *plugin.Plugin, g plugin.Grants, l *guestpb.Limits) (use, error) {
	u := use{profile: pr, runtime: r, plugin: p, grants: g.Of(p.Manifest), limits: with(pr.limits, pr.own, l), engine: new(engine.Engine)}
	if !u.grants.Program(engineProgram) {
		return u, nil
	}
	found, err := pr.engine.current(ctx)
	if err != nil {
		return use{}, err
	}
	if found != nil {
		u.engine = found.With(pr.env)
	}
	return u, nil
}

// runsEngine says whether the plugin may run the engine.
func (u use) runsEngine() bool { return u.engine.Path != "" }

// sessionOptions say what a session of the tenant stands on.
func (u use) sessionOptions() session.Options {
	r, t := u.runtime, u.tenant
	programs := map[string]session.Program{}
	if u.runsEngine() {
		programs[engineProgram] = session.Program{
			Engine:  &guestpb.Engine{Name: u.engine.Name, Version: u.engine.Version},
			Env:     u.grants.Env,
			Notices: u.engine.Notices(),
			Command: engine.Command,
			Start:   u.start,
		}
	}
	id := uuid.NewString()
	return session.Options{
		ID:             id,
		Tenant:         t,
		Plugin:         u.plugin.Name,
		Directory:      func(context.Context) (session.Directory, error) { return u.openDirectory(t, id) },
		Instances:      instances{u.plugin, sandboxLimits(u.limits), u.options.Log.With("session", id, "tenant", t.Name(), "plugin", u.plugin.Name)},
		Programs:       programs,
		Turn:           func(begun bool) (*queue.Ticket, error) { return r.turn(t, begun) },
		Cache:          u.cache(),
		ExitTimeout:    u.exitTimeout,
		GracePeriod:    u.gracePeriod,
		Settings:       u.options.PluginSettings,
		FreshInstances: u.options.FreshInstances,
		Log:            u.options.Log.With("version", u.plugin.Version),
		Kill:           r.killed,
		Limits:         u.limits,
	}
}

// directory are a session's directories, on the disk and as its instances see them.
type directory struct {
	*workdir.Session
	work, tmp *jailfs.FS
	quota     *jailfs.Quota
	// disk watches what programs write into the directories.
	disk *diskwatch.Watch
	// hit is the limit that a program has hit last, and that TakeLimit has not told of.
	hit     atomic.Pointer[error]
	runtime *Runtime
	// record says whose states its applies make, keeper keeps those of the latest (nil = there was none).
	record recovery.Record
	keeper *recovery.Keeper
	// supervisors are those of the session's programs.
	supervisors *jail.Supervisors
	// user is whom programs run as; 0 = the daemon's user.
	user int
	// engine are the places that the session's engine uses, reach is what it needs beside them.
	engine engine.Dirs
	reach  engine.Reach
	untouched
}

func (u use) openDirectory(t tenant.Tenant, id string) (_ *directory, err error) {
	r := u.runtime
	s, err := r.workdir.Create(t)
	if err != nil {
		return nil, err
	}
	d := &directory{Session: s, runtime: r, record: u.newRecord(id, s, t)}
	d.supervisors = jail.NewSupervisors(supervisorLinger, func(cpu time.Duration) { r.supervisorCPU.Add(int64(cpu)) })
	d.disk = diskwatch.New(s.Places(), diskwatch.Limits{Bytes: int64(u.limits.GetDiskBytes()), Files: int64(u.limits.GetFiles())})
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Remove())
		}
	}()
	if u.runsEngine() {
		shelf, err := u.shelf()
		if err != nil {
			return nil, err
		}
		user, err := u.user()
		if err != nil {
			return nil, err
		}
		if d.engine, err = u.engine.Prepare(shelf, s.Root, s.Home, s.EngineTmp, user); err != nil {
			return nil, err
		}
		if err := d.share(u.options.cacheDir(t), user); err != nil {
			return nil, err
		}
		d.reach = u.engine.Reach()
	}
	d.quota = jailfs.NewQuota(quotaOf(u.limits))
	if d.work, err = jailfs.Open(s.Work, d.quota); err != nil {
		return nil, fmt.Errorf("open the session's work directory: %w", err)
	}
	if d.tmp, err = jailfs.Open(s.Tmp, d.quota); err != nil {
		return nil, fmt.Errorf("open the session's scratch directory: %w", err)
	}
	return d, nil
}

// Work is where the template lies on the host.
func (d *directory) Work() string { return d.Session.Work }

// TakeLimit is the limit on files that the plugin ran into last, or that on programs that one of them has hit, or nil.
func (d *directory) TakeLimit() error {
	if err := d.quota.TakeLimit(); err != nil {
		return err
	}
	if hit := d.hit.Swap(nil); hit != nil {
		return *hit
	}
	return nil
}

// Remove removes the directories and all that is in them, unless that is the only place of a state.
func (d *directory) Remove() error {
	errs := []error{d.supervisors.End()}
	for _, fs := range []*jailfs.FS{d.work, d.tmp} {
		if fs != nil {
			errs = append(errs, fs.Close())
		}
	}
	if err := d.unsaved(); err != nil {
		d.runtime.workdir.Abandon(d.Session, err)
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, d.Session.Remove())...)
}

// instances makes instances of a plugin for a session.
type instances struct {
	plugin *plugin.Plugin
	limits sandbox.Limits
	log    *slog.Logger
}

func (i instances) New(ctx context.Context, d session.Directory, h *session.Host) (session.Instance, error) {
	dir := d.(*directory)
	return i.plugin.Module.Instantiate(ctx, sandbox.InstanceConfig{
		Name:    i.plugin.Name,
		Work:    dir.work,
		Tmp:     dir.tmp,
		Host:    instanceHost{h},
		Limits:  i.limits,
		Log:     i.log,
		Limited: h.Limited,
	})
}

// instanceHost is a session as its instance sees it.
type instanceHost struct{ *session.Host }

func (h instanceHost) Start(req *guestpb.ExecRequest) (sandbox.Process, error) {
	p, err := h.Host.Start(req)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// start runs one of the session's programs, with the engine's environment around the plugin's share.
func (u use) start(d session.Directory, c session.Command) (session.Process, error) {
	dir := d.(*directory)
	held, err := u.runtime.workdir.Hold()
	if err != nil {
		return nil, err
	}
	defer held.Close()
	endInit, err := u.beginInit(dir, c)
	if err != nil {
		return nil, err
	}
	if dir.user != 0 {
		if err := dir.Give(dir.user); err != nil {
			return nil, err
		}
	}
	p, err := exec.Start(exec.Program{
		Path: u.engine.Path, Args: c.Args, Env: u.engine.Environ(dir.engine, slices.Concat(c.Env, c.HostEnv), u.limits.GetProgramMemoryBytes()), Dir: c.Dir, Stdin: c.Stdin,
		OutputLimit: c.OutputLimit, ExitTimeout: c.ExitTimeout, Jail: u.programJail(), Cell: u.cell(dir, c), Holds: []*os.File{held},
		Keep: dir.keep(c), Watch: dir.disk, Supervisors: dir.supervisors, LimitHit: func(err error) { dir.hit.Store(&err) },
	})
	if err != nil {
		return nil, err
	}
	if u.options.Dependencies != nil && isGraph(c.Args) {
		return &tee{Process: p, whole: u.options.Dependencies}, nil
	}
	if endInit != nil {
		return &initProcess{Process: p, succeeded: endInit}, nil
	}
	return p, nil
}
