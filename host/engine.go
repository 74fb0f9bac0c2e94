package host

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/provisor/provisor/host/internal/engine"
)

// engineProgram is the logical name under which plugins ask for the engine, whichever it is.
const engineProgram = "terraform"

// engineSlot is a place for the engine, which is looked for when the first plugin asks for it: where there is none, one is built.
type engineSlot struct {
	finding sync.Mutex
	found   atomic.Pointer[engine.Engine]
}

func (r *Runtime) findEngine(ctx context.Context) (*engine.Engine, error) {
	r.engine.finding.Lock()
	defer r.engine.finding.Unlock()
	if e := r.engine.found.Load(); e != nil {
		return e, nil
	}
	e, err := engine.Find(ctx, r.engineOptions())
	if err != nil {
		return nil, err
	}
	r.engine.found.Store(e)
	return e, nil
}

func (r *Runtime) engineOptions() engine.Options {
	o := r.options
	return engine.Options{Path: o.Engine, CacheDir: o.CacheDir, Env: o.EngineEnv, Mirrors: o.mirrors(), Log: o.Log, Progress: o.Progress}
}
