package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/instrument"
	"github.com/provisor/provisor/host/internal/sandbox/compiler"
	"github.com/provisor/provisor/host/internal/sandbox/vet"
)

// Module is a compiled plugin. Any number of instances of it may run at once.
type Module struct {
	runtime  *Runtime
	compiled wazero.CompiledModule
}

// Compile compiles a plugin and checks that it speaks the ABI, as far as that can be seen without running any of its code:
// an error names the export or import that is missing or has another signature than it should.
func (r *Runtime) Compile(ctx context.Context, wasm []byte) (*Module, error) {
	if uint64(len(wasm)) > r.limits.ModuleBytes {
		return nil, fmt.Errorf("the module has %s, the limit is %s (setting %s)", size(uint64(len(wasm))), size(r.limits.ModuleBytes), settingModule)
	}
	e := r.cache.entry(wasm)
	compiled, err := r.load(e)
	if compiled == nil && err == nil {
		compiled, err = r.build(ctx, e, wasm)
	}
	if err != nil {
		return nil, err
	}
	if err := r.check(compiled); err != nil {
		_ = compiled.Close(ctx)
		return nil, fmt.Errorf("the module does not speak version %d of the ABI: %w", abi.Major, err)
	}
	return &Module{runtime: r, compiled: compiled}, nil
}

// Close frees the module's code once its instances are closed. Closing the runtime does that as well.
func (m *Module) Close(ctx context.Context) error { return m.compiled.Close(ctx) }

// load takes a module from the cache, and returns nil if it is not there or damaged.
func (r *Runtime) load(e entry) (wazero.CompiledModule, error) {
	module, err := e.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var compiled wazero.CompiledModule
	if err == nil {
		compiled, err = r.loadCompiled(module)
	}
	if err != nil {
		r.log.Warn("the compiled plugin in the cache is of no use, and is made again", "error", err)
		return nil, nil
	}
	return compiled, nil
}

// loadCompiled loads a module whose machine code is in the cache. If it is not there nothing is compiled in its stead: where there are
// several workers, the compiler looks at the context before each function, and this one has ended.
func (r *Runtime) loadCompiled(module []byte) (compiled wazero.CompiledModule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the compiled plugin can't be loaded: %v", p)
		}
	}()
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("its machine code is missing"))
	return r.engine.CompileModule(experimental.WithCompilationWorkers(ctx, 2), module)
}

// build makes a module's entry in the cache, and loads it.
func (r *Runtime) build(ctx context.Context, e entry, wasm []byte) (wazero.CompiledModule, error) {
	prepared, err := vet.Module(wasm, abi.HostModule, wasi_snapshot_preview1.ModuleName)
	if err != nil {
		return nil, fmt.Errorf("the module can't be taken: %w", err)
	}
	if prepared, err = instrument.Instrument(prepared, instrument.Options{}); err != nil {
		return nil, fmt.Errorf("the module can't be taken: %w", err)
	}
	unlock, err := e.lock(ctx)
	if err != nil {
		return nil, fmt.Errorf("compile the module: %w", err)
	}
	defer unlock()
	// Somebody else may have built it meanwhile.
	if compiled, err := r.load(e); compiled != nil || err != nil {
		return compiled, err
	}
	if err := r.compile(ctx, e, prepared); err != nil {
		return nil, fmt.Errorf("compile the module: %w", err)
	}
	compiled, err := r.loadCompiled(prepared)
	if err != nil {
		return nil, fmt.Errorf("load the compiled module: %w", err)
	}
	return compiled, nil
}

// compile compiles a module into its entry.
func (r *Runtime) compile(ctx context.Context, e entry, module []byte) error {
	dir, err := os.MkdirTemp(e.cache.dir, buildPrefix)
	if errors.Is(err, fs.ErrNotExist) {
		// Caches may be removed at any time.
		if err = os.MkdirAll(e.cache.dir, 0o700); err == nil {
			dir, err = os.MkdirTemp(e.cache.dir, buildPrefix)
		}
	}
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	limits := compiler.Limits{Time: r.limits.CompileTime, Bytes: r.limits.CompileBytes}
	err = compiler.Compile(ctx, module, dir, limits)
	var crash *compiler.CrashError
	switch {
	case errors.Is(err, compiler.ErrTime):
		return fmt.Errorf("it takes longer than %v (setting %s)", limits.Time.Round(time.Millisecond), settingCompileTime)
	case errors.Is(err, compiler.ErrMemory):
		return fmt.Errorf("it takes more than %s of memory (setting %s)", size(limits.Bytes), settingCompileBytes)
	case errors.As(err, &crash):
		r.log.Error("the compiler crashed", "state", crash.State, "output", crash.Output)
	}
	if err != nil {
		return err
	}
	return e.keep(module, dir)
}
