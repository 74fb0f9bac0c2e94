// Package sandbox runs plugins: it compiles a WebAssembly module, checks that it speaks the ABI, makes instances of it, calls them,
// interrupts them, and closes them. It gives them the host's functions behind small interfaces and knows nothing of what they
// are used for: no Terraform, no processes, no transport.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/provisor/provisor/host/internal/sandbox/compiler"
)

// Options of a Runtime. The zero value works.
type Options struct {
	// CacheDir holds compiled modules, which are machine code: whoever can write there is this process. Empty = one that is gone
	// when the runtime is closed.
	CacheDir string
	// Limits bound each module and instance.
	Limits Limits
	// NoSnapshots has every instance initialised anew, also of plugins that can be copied. The environment variable PROVISOR_SNAPSHOTS=off
	// does that as well.
	NoSnapshots bool
	// Log is the host's log. It gets what is none of a client's business: stack traces, a plugin's standard error, bad pointers.
	// nil = none.
	Log *slog.Logger
}

// snapshotsVariable is the environment variable that turns snapshots off.
const snapshotsVariable = "PROVISOR_SNAPSHOTS"

// Runtime compiles modules. Its methods, and those of its modules, may be called from several goroutines.
type Runtime struct {
	limits       Limits
	snapshots    bool
	snapshotTime time.Duration
	log          *slog.Logger
	cache        *cache
	// born is when the runtime was made, by all clocks.
	born   time.Time
	engine wazero.Runtime
	// wasi are the functions of WASI by name, to check imports against.
	wasi map[string]api.FunctionDefinition
	// instances counts those that are open.
	instances atomic.Int64
}

// Instances is how many instances there are.
func (r *Runtime) Instances() int { return int(r.instances.Load()) }

// New returns a Runtime. It must be closed.
func New(ctx context.Context, o Options) (_ *Runtime, err error) {
	r := &Runtime{
		limits: o.Limits.withDefaults(), log: o.Log, born: time.Now(),
		snapshots: !o.NoSnapshots && os.Getenv(snapshotsVariable) != "off", snapshotTime: maxSnapshotTime,
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.cache, err = openCache(o.CacheDir); err != nil {
		return nil, err
	}
	r.engine = wazero.NewRuntimeWithConfig(ctx, compiler.Config().WithCompilationCache(r.cache.compiled))
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close(ctx))
		}
	}()
	if err := r.provideWASI(ctx); err != nil {
		return nil, fmt.Errorf("set up WASI: %w", err)
	}
	if err := provideFuel(ctx, r.engine); err != nil {
		return nil, fmt.Errorf("set up the interruption of plugins: %w", err)
	}
	if err := provideHost(ctx, r.engine); err != nil {
		return nil, fmt.Errorf("set up the host's functions: %w", err)
	}
	return r, nil
}

// Limits are the limits that hold, with defaults filled in.
func (r *Runtime) Limits() Limits { return r.limits }

// nanotime is a monotonic clock that, unless the system's is set back, also goes on from one process to the next.
func (r *Runtime) nanotime() int64 { return r.born.UnixNano() + int64(time.Since(r.born)) }

// Close frees the runtime and all that came of it.
func (r *Runtime) Close(ctx context.Context) error {
	return errors.Join(r.engine.Close(ctx), r.cache.close(ctx))
}
