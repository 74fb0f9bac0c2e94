package sandbox

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/provisor/provisor/abi"
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
	compiled, err := r.compileInTime(ctx, wasm)
	if err != nil {
		return nil, err
	}
	if err := r.check(compiled); err != nil {
		return nil, fmt.Errorf("the module does not speak version %d of the ABI: %w", abi.Major, err)
	}
	return &Module{runtime: r, compiled: compiled}, nil
}

// compileInTime gives up at the limit. The compiler looks at its context only between two functions, so what goes on for longer
// is left behind, and Close waits for it.
func (r *Runtime) compileInTime(ctx context.Context, wasm []byte) (wazero.CompiledModule, error) {
	limit := r.limits.CompileTime
	ctx, cancel := context.WithTimeoutCause(ctx, limit,
		fmt.Errorf("it takes longer than %v (setting %s)", limit.Round(time.Millisecond), settingCompileTime))
	type result struct {
		compiled wazero.CompiledModule
		err      error
	}
	done := make(chan result, 1)
	r.compiling.Go(func() {
		defer cancel()
		compiled, err := r.compile(ctx, wasm)
		done <- result{compiled, err}
	})
	select {
	case res := <-done:
		if cause := context.Cause(ctx); res.err != nil && cause != nil && ctx.Err() != nil && cause != context.Canceled {
			return nil, fmt.Errorf("compile the module: %w", cause)
		}
		if res.err != nil {
			return nil, fmt.Errorf("compile the module: %w", res.err)
		}
		return res.compiled, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("compile the module: %w", context.Cause(ctx))
	}
}

func (r *Runtime) compile(ctx context.Context, wasm []byte) (compiled wazero.CompiledModule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the compiler failed: %v", p)
		}
	}()
	// With several workers the compiler also looks at ctx.
	ctx = experimental.WithCompilationWorkers(ctx, max(2, runtime.GOMAXPROCS(0)))
	return r.engine.CompileModule(ctx, wasm)
}
