package host

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/google/uuid"

	"github.com/provisor/provisor/host/internal/engine"
	"github.com/provisor/provisor/host/internal/exec"
	"github.com/provisor/provisor/host/internal/jailfs"
	"github.com/provisor/provisor/host/internal/queue"
	"github.com/provisor/provisor/host/internal/sandbox"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/host/internal/workdir"
	"github.com/provisor/provisor/host/internal/workdir/recovery"
	"github.com/provisor/provisor/proto/guestpb"
)

// sessionOptions say what a session of the tenant stands on.
func (r *Runtime) sessionOptions(t tenant.Tenant) session.Options {
	manifest := r.plugin.Manifest
	programs := map[string]session.Program{}
	if r.wantsEngine() {
		programs[engineProgram] = session.Program{
			Engine:  &guestpb.Engine{Name: r.engine.Name, Version: r.engine.Version},
			Env:     granted(manifest.GetEnv(), DefaultEnv),
			Notices: r.engine.Notices(),
			Start:   r.start,
		}
	}
	id := uuid.NewString()
	return session.Options{
		ID:             id,
		Tenant:         t,
		Plugin:         r.plugin.Name,
		Directory:      func(context.Context) (session.Directory, error) { return r.openDirectory(t, id) },
		Instances:      instances{r},
		Programs:       programs,
		Turn:           func(begun bool) (*queue.Ticket, error) { return r.queue.Ask(t.Name(), begun) },
		Cache:          r.cache(t),
		ExitTimeout:    r.options.ExitTimeout,
		GracePeriod:    r.options.GracePeriod,
		FreshInstances: r.options.FreshInstances,
		Log:            r.options.Log,
		Kill:           r.killed,
		Limits:         r.options.limits(),
	}
}

// engineProgram is the logical name under which plugins ask for the engine, whichever it is.
const engineProgram = "terraform"

// directory are a session's directories, on the disk and as its instances see them.
type directory struct {
	*workdir.Session
	work, tmp *jailfs.FS
	runtime   *Runtime
	// record says whose states its applies make, keeper keeps those of the latest (nil = there was none).
	record recovery.Record
	keeper *recovery.Keeper
	// engine are the places that the session's engine uses.
	engine engine.Dirs
}

func (r *Runtime) openDirectory(t tenant.Tenant, id string) (_ *directory, err error) {
	s, err := r.workdir.Create(t)
	if err != nil {
		return nil, err
	}
	d := &directory{Session: s, runtime: r, record: r.newRecord(id, s, t)}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Remove())
		}
	}()
	if r.wantsEngine() {
		if d.engine, err = r.engine.Prepare(t, s.Root, s.Home, s.EngineTmp); err != nil {
			return nil, err
		}
	}
	quota := jailfs.NewQuota(quotaOf(r.options.limits()))
	if d.work, err = jailfs.Open(s.Work, quota); err != nil {
		return nil, fmt.Errorf("open the session's work directory: %w", err)
	}
	if d.tmp, err = jailfs.Open(s.Tmp, quota); err != nil {
		return nil, fmt.Errorf("open the session's scratch directory: %w", err)
	}
	return d, nil
}

// Work is where the template lies on the host.
func (d *directory) Work() string { return d.Session.Work }

// Remove removes the directories and all that is in them, unless that is the only place of a state.
func (d *directory) Remove() error {
	var errs []error
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

// instances makes instances of the runtime's plugin for a session.
type instances struct{ runtime *Runtime }

func (i instances) New(ctx context.Context, d session.Directory, h *session.Host) (session.Instance, error) {
	dir := d.(*directory)
	return i.runtime.plugin.Module.Instantiate(ctx, sandbox.InstanceConfig{
		Name: i.runtime.plugin.Name,
		Work: dir.work,
		Tmp:  dir.tmp,
		Host: instanceHost{h},
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
func (r *Runtime) start(d session.Directory, c session.Command) (session.Process, error) {
	dir := d.(*directory)
	held, err := r.workdir.Hold()
	if err != nil {
		return nil, err
	}
	defer held.Close()
	p, err := exec.Start(exec.Program{
		Path: r.engine.Path, Args: c.Args, Env: r.engine.Environ(dir.engine, c.Env), Dir: c.Dir, Stdin: c.Stdin,
		OutputLimit: c.OutputLimit, ExitTimeout: c.ExitTimeout, Jail: r.programJail(), Holds: []*os.File{held},
	})
	if err != nil {
		return nil, err
	}
	if r.options.Dependencies != nil && isGraph(c.Args) {
		return &tee{Process: p, whole: r.options.Dependencies}, nil
	}
	return p, nil
}
