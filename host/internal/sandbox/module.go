package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/instrument"
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
	prepared, err := vet.Module(wasm, abi.HostModule, wasi_snapshot_preview1.ModuleName)
	if err != nil {
		return nil, fmt.Errorf("the module can't be taken: %w", err)
	}
	if prepared, err = instrument.Instrument(prepared, instrument.Options{}); err != nil {
		return nil, fmt.Errorf("the module can't be taken: %w", err)
	}
	compiled, err := r.compileInTime(ctx, prepared)
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

// compileInTime gives up at the limit. The compiler looks at its context only between two functions, so what goes on for longer
// is left behind, and Close waits for it.
func (r *Runtime) compileInTime(ctx context.Context, wasm []byte) (wazero.CompiledModule, error) {
	limit := r.limits.CompileTime
	ctx, cancel := context.WithTimeoutCause(ctx, limit,
		fmt.Errorf("it takes longer than %v (setting %s)", limit.Round(time.Millisecond), settingCompileTime))
	defer cancel()
	type result struct {
		compiled wazero.CompiledModule
		err      error
	}
	done := make(chan result, 1)
	r.compiling.Go(func() {
		compiled, err := r.compile(ctx, wasm)
		done <- result{compiled, err}
	})
	select {
	case res := <-done:
		if res.err != nil && ctx.Err() != nil {
			res.err = context.Cause(ctx)
		}
		if res.err != nil {
			return nil, fmt.Errorf("compile the module: %w", res.err)
		}
		return res.compiled, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("compile the module: %w", context.Cause(ctx))
	}
}

// compile compiles a module. The cache must not make that fail: what is broken in it is thrown away, and what can't be kept in it
// is in memory all the same.
func (r *Runtime) compile(ctx context.Context, wasm []byte) (wazero.CompiledModule, error) {
	compiled, err := r.compileOnce(ctx, wasm)
	var file *fs.PathError
	var rename *os.LinkError
	switch {
	case err == nil || ctx.Err() != nil || r.cache == nil:
		return compiled, err
	case errors.As(err, &file), errors.As(err, &rename):
		r.log.Warn("the compiled plugin can't be kept: it will be compiled again the next time", "error", err)
	case strings.HasPrefix(err.Error(), "compilationcache:"):
		r.log.Warn("the compiled plugins are broken and thrown away", "directory", r.cache.dir, "error", err)
		r.cache.prune(0)
	default:
		return nil, err
	}
	return r.compileOnce(ctx, wasm)
}

func (r *Runtime) compileOnce(ctx context.Context, wasm []byte) (compiled wazero.CompiledModule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the compiler failed: %v", p)
		}
	}()
	// With several workers the compiler also looks at ctx.
	ctx = experimental.WithCompilationWorkers(ctx, max(2, runtime.GOMAXPROCS(0)))
	return r.engine.CompileModule(ctx, wasm)
}
