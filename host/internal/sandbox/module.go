package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
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
	origin   *origin
	// wantsSeed says that it exports provisor_forked.
	wantsSeed bool
}

// Source is a plugin's module as it is shipped.
type Source struct {
	Wasm []byte
	// Digest is the SHA-256 of Wasm in hexadecimal. Empty = it is computed.
	Digest string
	// Name is the plugin's, for the log.
	Name string
	// Snapshot has instances begin as copies of one that has been initialised.
	Snapshot bool
}

func (s Source) digest() string {
	if s.Digest != "" {
		return s.Digest
	}
	return digestOf(s.Wasm)
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Compile compiles a plugin and checks that it speaks the ABI, as far as that can be seen without running any of its code:
// an error names the export or import that is missing or has another signature than it should. Of a plugin that is to be copied the
// _initialize runs once, here, unless it has done so before; where it can't be copied the log says why, and nothing is different.
func (r *Runtime) Compile(ctx context.Context, s Source) (*Module, error) {
	s.Snapshot = s.Snapshot && r.snapshots
	m, e, err := r.unchecked(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := r.check(m.compiled); err != nil {
		_ = m.Close(ctx)
		return nil, fmt.Errorf("the module does not speak version %d of the ABI: %w", abi.Major, err)
	}
	_, m.wantsSeed = m.compiled.ExportedFunctions()[abi.ExportForked]
	if !s.Snapshot || m.origin.snapshot {
		return m, nil
	}
	snapshot, file, err := m.snapshot(ctx, s.Name)
	if err != nil {
		r.log.Warn("the plugin allows snapshots, but can't be copied: each instance is initialised anew", "plugin", s.Name, "reason", err)
		return m, nil
	}
	if err := e.write(snapshotFile, file...); err != nil {
		r.log.Warn("the snapshot of the plugin can't be kept", "plugin", s.Name, "error", err)
	}
	m.origin.memory.close()
	m.origin = snapshot
	return m, nil
}

// unchecked is a module that may not be a plugin at all. It is loaded if it has been compiled before. Its instances begin as its snapshot, if that
// is wanted and there is one.
func (r *Runtime) unchecked(ctx context.Context, s Source) (*Module, entry, error) {
	if n := uint64(len(s.Wasm)); n > r.limits.ModuleBytes {
		return nil, entry{}, fmt.Errorf("the module has %s, the limit is %s (setting %s)", size(n), size(r.limits.ModuleBytes), settingModule)
	}
	e := r.cache.entry(s)
	m, err := r.load(ctx, e, s.Snapshot)
	if m == nil && err == nil {
		m, err = r.build(ctx, e, s)
	}
	return m, e, err
}

// Close frees the module's code once its instances are closed. Closing the runtime does that as well.
func (m *Module) Close(ctx context.Context) error {
	m.origin.memory.close()
	return m.compiled.Close(ctx)
}

// load takes a module from the cache, and returns nil if it is not there or damaged.
func (r *Runtime) load(ctx context.Context, e entry, snapshot bool) (*Module, error) {
	if !e.exists() {
		return nil, nil
	}
	m := &Module{runtime: r}
	var originErr error
	var reading sync.WaitGroup
	reading.Go(func() { m.origin, originErr = r.readOrigin(e, snapshot) })
	outline, err := e.read()
	if err == nil {
		m.compiled, err = r.loadCompiled(outline)
	}
	reading.Wait()
	if err = errors.Join(err, originErr); err == nil {
		return m, nil
	}
	r.log.Warn("the compiled plugin in the cache is of no use, and is made again", "error", err)
	if m.origin != nil {
		m.origin.memory.close()
	}
	if m.compiled != nil {
		_ = m.compiled.Close(ctx)
	}
	return nil, nil
}

// readOrigin reads where instances of the entry's module begin.
func (r *Runtime) readOrigin(e entry, snapshot bool) (*origin, error) {
	if snapshot {
		o, err := e.origin(snapshotFile)
		if err == nil {
			return o, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			r.log.Warn("the plugin's snapshot in the cache is of no use, and is made again", "error", err)
		}
	}
	return e.origin(initialFile)
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
func (r *Runtime) build(ctx context.Context, e entry, s Source) (*Module, error) {
	prepared, err := vet.Module(s.Wasm, abi.HostModule, wasi_snapshot_preview1.ModuleName)
	if err != nil {
		return nil, fmt.Errorf("the module can't be taken: %w", err)
	}
	parts, err := instrument.Split(prepared, instrument.Options{})
	if err != nil {
		return nil, fmt.Errorf("the module can't be taken: %w", err)
	}
	unlock, err := e.lock(ctx)
	if err != nil {
		return nil, fmt.Errorf("compile the module: %w", err)
	}
	defer unlock()
	// Somebody else may have built it meanwhile.
	if m, err := r.load(ctx, e, s.Snapshot); m != nil || err != nil {
		return m, err
	}
	outline, err := r.compile(ctx, e, parts)
	if err != nil {
		return nil, fmt.Errorf("compile the module: %w", err)
	}
	m := &Module{runtime: r}
	if m.origin, err = e.origin(initialFile); err == nil {
		m.compiled, err = r.loadCompiled(outline)
	}
	if err != nil {
		return nil, fmt.Errorf("load the compiled module: %w", err)
	}
	return m, nil
}

// compile compiles a module into its entry, and returns its outline, by which its machine code is found.
func (r *Runtime) compile(ctx context.Context, e entry, parts *instrument.Parts) (outline []byte, err error) {
	if outline, err = instrument.Outline(parts.Module); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(e.cache.dir, buildPrefix)
	if errors.Is(err, fs.ErrNotExist) {
		// Caches may be removed at any time.
		if err = os.MkdirAll(e.cache.dir, 0o700); err == nil {
			dir, err = os.MkdirTemp(e.cache.dir, buildPrefix)
		}
	}
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	limits := compiler.Limits{Time: r.limits.CompileTime, Bytes: r.limits.CompileBytes}
	b := build{code: filepath.Join(dir, "code"), outline: filepath.Join(dir, "outline")}
	if err = compiler.Compile(ctx, parts.Module, b.code, limits); err == nil {
		err = compiler.Compile(ctx, outline, b.outline, limits)
	}
	var crash *compiler.CrashError
	switch {
	case errors.Is(err, compiler.ErrTime):
		return nil, fmt.Errorf("it takes longer than %v (setting %s)", limits.Time.Round(time.Millisecond), settingCompileTime)
	case errors.Is(err, compiler.ErrMemory):
		return nil, fmt.Errorf("it takes more than %s of memory (setting %s)", size(limits.Bytes), settingCompileBytes)
	case errors.As(err, &crash):
		r.log.Error("the compiler crashed", "state", crash.State, "output", crash.Output)
	}
	if err != nil {
		return nil, err
	}
	return outline, e.keep(parts, outline, b)
}
