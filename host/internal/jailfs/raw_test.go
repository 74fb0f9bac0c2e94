package jailfs_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/provisor/provisor/host/internal/jailfs"
)

// The descriptors that every instance starts with.
const (
	fdWork = 3
	fdTmp  = 4
)

// Errnos of WASI that the tests expect.
const (
	ok       = 0
	eBadf    = 8
	eExist   = 20
	eInval   = 28
	eIsdir   = 31
	eLoop    = 32
	eMfile   = 33
	eNametoo = 37
	eNoent   = 44
	eNospc   = 51
	eNotdir  = 54
	ePerm    = 63
	eXdev    = 75
)

// A raw is an instance whose every WASI function the test calls itself, with whatever it likes: a module that exports, for
// each function of WASI, one that passes its parameters on.
type raw struct {
	t    testing.TB
	ctx  context.Context
	mod  api.Module
	next uint32 // free memory
}

// trampoline is the runtime and the module, compiled once for all tests.
var trampoline = sync.OnceValues(func() (compiled trampolineModule, err error) {
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	builder, err := jailfs.NewWASI(ctx, r)
	if err != nil {
		return compiled, err
	}
	if _, err := builder.Instantiate(ctx); err != nil {
		return compiled, err
	}
	functions, err := wasiFunctions()
	if err != nil {
		return compiled, err
	}
	module, err := r.CompileModule(ctx, trampolines(functions))
	return trampolineModule{r, module, functions}, err
})

type trampolineModule struct {
	runtime   wazero.Runtime
	module    wazero.CompiledModule
	functions []api.FunctionDefinition
}

func newRaw(t testing.TB, m *mounts) *raw {
	t.Helper()
	ctx := context.Background()
	compiled, err := trampoline()
	must(t, err)
	mod, err := compiled.runtime.InstantiateModule(ctx, compiled.module, wazero.NewModuleConfig().WithName("").WithFSConfig(m.config()))
	must(t, err)
	t.Cleanup(func() { mod.Close(ctx) })
	return &raw{t: t, ctx: ctx, mod: mod, next: 1024}
}

// call returns the errno of a function.
func (r *raw) call(name string, params ...uint64) uint64 {
	r.t.Helper()
	results, err := r.mod.ExportedFunction(name).Call(r.ctx, params...)
	if err != nil {
		r.t.Fatalf("%s%v: %v", name, params, err)
	}
	return results[0]
}

// path puts a text into the memory and gives its pointer and length.
func (r *raw) path(s string) (ptr, length uint64) {
	return r.bytes([]byte(s)), uint64(len(s))
}

func (r *raw) bytes(b []byte) uint64 {
	if int(r.next)+len(b) > 1<<20 {
		r.next = 1024
	}
	at := r.next
	r.next += uint32(len(b)+7) &^ 7
	if !r.mod.Memory().Write(at, b) {
		r.t.Fatalf("no room for %d bytes at %d", len(b), at)
	}
	return uint64(at)
}

// iovec is a vector with one buffer.
func (r *raw) iovec(buf uint64, length int) uint64 {
	at := r.bytes(make([]byte, 8))
	r.mod.Memory().WriteUint32Le(uint32(at), uint32(buf))
	r.mod.Memory().WriteUint32Le(uint32(at)+4, uint32(length))
	return at
}

const (
	followLinks = 1
	oCreat      = 1
	oDirectory  = 2
	oExcl       = 4
	oTrunc      = 8
	rightRead   = 1 << 1
	rightWrite  = 1 << 6
)

// open is path_open for reading, or for writing too where flags say so.
func (r *raw) open(fd uint64, name string, oflags uint64) (opened, errno uint64) {
	rights := uint64(rightRead)
	if oflags&(oCreat|oTrunc) != 0 {
		rights |= rightWrite
	}
	return r.openRights(fd, name, oflags, rights)
}

func (r *raw) openRights(fd uint64, name string, oflags, rights uint64) (opened, errno uint64) {
	ptr, length := r.path(name)
	result := r.bytes(make([]byte, 4))
	errno = r.call("path_open", fd, followLinks, ptr, length, oflags, rights, rights, 0, result)
	value, _ := r.mod.Memory().ReadUint32Le(uint32(result))
	return uint64(value), errno
}

func (r *raw) write(fd uint64, data []byte) (errno uint64) {
	return r.call("fd_write", fd, r.iovec(r.bytes(data), len(data)), 1, r.bytes(make([]byte, 4)))
}

func (r *raw) read(fd uint64, n int) (data []byte, errno uint64) {
	buf, result := r.bytes(make([]byte, n)), r.bytes(make([]byte, 4))
	errno = r.call("fd_read", fd, r.iovec(buf, n), 1, result)
	count, _ := r.mod.Memory().ReadUint32Le(uint32(result))
	data, _ = r.mod.Memory().Read(uint32(buf), count)
	return data, errno
}

// onPath calls a function that takes a descriptor and a path and nothing else.
func (r *raw) onPath(name string, fd uint64, path string) (errno uint64) {
	ptr, length := r.path(path)
	return r.call(name, fd, ptr, length)
}

// wasiFunctions are wazero's, by name, without proc_exit, which has no result.
func wasiFunctions() ([]api.FunctionDefinition, error) {
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	compiled, err := wasi_snapshot_preview1.NewBuilder(r).Compile(ctx)
	if err != nil {
		return nil, err
	}
	var all []api.FunctionDefinition
	for name, def := range compiled.ExportedFunctions() {
		if name != "proc_exit" {
			all = append(all, def)
		}
	}
	if len(all) < 40 {
		return nil, errors.New("wazero exports hardly any function of WASI")
	}
	slices.SortFunc(all, func(a, b api.FunctionDefinition) int { return strings.Compare(a.Name(), b.Name()) })
	return all, nil
}

// trampolines encodes the module: one page-counted memory of 32 pages, and per function a type, an import, a function that
// gets all its parameters and calls the import, and an export.
func trampolines(functions []api.FunctionDefinition) []byte {
	var types, imports, bodies, exports [][]byte
	var indices []byte
	for i, f := range functions {
		params := append(uleb(len(f.ParamTypes())), f.ParamTypes()...)
		types = append(types, append(append([]byte{0x60}, params...), 1, api.ValueTypeI32))
		imports = append(imports, concat(name(wasi_snapshot_preview1.ModuleName), name(f.ExportNames()[0]), []byte{0}, uleb(i)))
		var body []byte
		for p := range f.ParamTypes() {
			body = append(body, 0x20, byte(p)) // local.get
		}
		body = concat([]byte{0}, body, []byte{0x10}, uleb(i), []byte{0x0b}) // no locals, call, end
		bodies = append(bodies, append(uleb(len(body)), body...))
		indices = append(indices, uleb(i)...)
		exports = append(exports, concat(name(f.ExportNames()[0]), []byte{0}, uleb(len(functions)+i)))
	}
	exports = append(exports, concat(name("memory"), []byte{2, 0}))
	return concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vector(types)), section(2, vector(imports)), section(3, concat(uleb(len(functions)), indices)),
		section(5, []byte{1, 0, 32}), section(7, vector(exports)), section(10, vector(bodies)))
}

func section(id byte, content []byte) []byte { return concat([]byte{id}, uleb(len(content)), content) }

func vector(items [][]byte) []byte { return concat(uleb(len(items)), concat(items...)) }

func name(s string) []byte { return concat(uleb(len(s)), []byte(s)) }

func concat(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func uleb(n int) []byte {
	var b []byte
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}
