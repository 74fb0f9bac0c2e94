package host

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/provisor/provisor/host/internal/engine"
	"github.com/provisor/provisor/host/internal/engine/providercache"
	"github.com/provisor/provisor/host/internal/exec"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/proto/guestpb"
)

// DefaultProviderCache bounds the providers that are kept for a tenant, in bytes.
const DefaultProviderCache = 10 << 30

// openProviders opens the cache of providers that the tenant's sessions have downloaded, below its directory; nil = there is none. disk is what the
// tenant may have in all; 0 = any number of bytes.
func (o Options) openProviders(t Tenant, dir string, disk int64) (*providercache.Cache, error) {
	size := orDefault(o.ProviderCache, DefaultProviderCache)
	if size == 0 {
		return nil, nil
	}
	return providercache.Open(providercache.Options{
		Dir: filepath.Join(dir, "providers"), MaxBytes: cacheBytes(size, disk), Log: o.Log.With("tenant", t.Name()),
	})
}

// shelf is the plugin's part of the tenant's cache of providers; nil = there is none.
func (u use) shelf() (*providercache.Shelf, error) {
	if u.providers == nil {
		return nil, nil
	}
	return u.providers.Shelf(u.plugin.Digest)
}

// untouched is true as long as a session has run nothing but inits: until then, nothing in its directory was made by a template's code.
type untouched struct{ touched atomic.Bool }

// beginInit prepares an init of the session's engine; other runs are noted. The function that it returns has what the init has downloaded kept
// for later sessions; nil = nothing is to do.
func (u use) beginInit(d *directory, c session.Command) (end func(context.Context), err error) {
	if !engine.IsInit(c.Args) {
		d.touched.Store(true)
		return nil, nil
	}
	install, err := u.engine.BeginInit(d.engine, c.Dir, c.Args)
	if err != nil || install == nil {
		return nil, err
	}
	return func(ctx context.Context) {
		if !d.touched.Load() {
			u.engine.EndInit(ctx, install)
		}
	}, nil
}

// initProcess is an init. Its plugin hears of its success once what it has downloaded is kept, so that nothing is at work in the directory
// until then.
type initProcess struct {
	*exec.Process
	succeeded func(context.Context)
	once      sync.Once
}

func (p *initProcess) Wait(ctx context.Context) (*guestpb.ExecResult, error) {
	result, err := p.Process.Wait(ctx)
	if err == nil && result.GetExitCode() == 0 && result.GetSignal() == "" {
		p.once.Do(func() { p.succeeded(ctx) })
	}
	return result, err
}
