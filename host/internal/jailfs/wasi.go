package jailfs

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// The errnos of WASI that are read or written here.
const (
	wasiAgain  = 6
	wasiBadf   = 8
	wasiInval  = 28
	wasiMfile  = 33
	wasiNospc  = 51
	wasiNosys  = 52
	wasiNotsup = 58
	wasiRofs   = 69
	wasiXdev   = 75
)

const (
	maxIovecs   = 1024    // as Linux has it
	maxPolled   = 1024    // subscriptions of one poll
	maxRenumber = 1 << 16 // a descriptor's number: wazero's table is as long as the highest
	sysStderr   = 2
)

// NewWASI is wazero's wasi_snapshot_preview1, corrected for these mounts. The builder takes further overrides.
//
// # What differs
//
//   - A rename from one mount to another is EXDEV, which Go and C know, instead of ENOSYS.
//   - A full quota or disk is ENOSPC, too many open files EMFILE.
//   - fd_renumber takes no descriptor above 65535: wazero allocates a table as long as the number, 16 GiB for the highest.
//   - fd_filestat_set_times of stdin, stdout and stderr is ENOTSUP: wazero dereferences a nil pointer.
//   - The vectors of one read or write are at most 1024, and no longer in sum than the memory: the same gigabyte a million
//     times would keep the host busy for hours in one call.
//   - One poll_oneoff has at most 1024 subscriptions: for each, wazero allocates more of the host's memory than it takes of the guest's,
//     and it panics where their length wraps around.
func NewWASI(ctx context.Context, r wazero.Runtime) (wazero.HostModuleBuilder, error) {
	original, err := wasi_snapshot_preview1.NewBuilder(r).Compile(ctx)
	if err != nil {
		return nil, fmt.Errorf("compile WASI: %w", err)
	}
	defer original.Close(ctx)
	builder := r.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(builder)
	for name, wrap := range corrections() {
		def, ok := original.ExportedFunctions()[name]
		if !ok {
			return nil, fmt.Errorf("WASI of this wazero has no %s", name)
		}
		inner, ok := def.GoFunction().(api.GoModuleFunction)
		if !ok {
			return nil, fmt.Errorf("WASI's %s of this wazero is a %T, not a function of the host", name, def.GoFunction())
		}
		builder.NewFunctionBuilder().
			WithGoModuleFunction(wrap(inner), def.ParamTypes(), def.ResultTypes()).
			WithName(name).WithParameterNames(def.ParamNames()...).Export(name)
	}
	return builder, nil
}

// A wrapper makes another function of one of WASI's.
type wrapper func(api.GoModuleFunction) api.GoModuleFunc

func corrections() map[string]wrapper {
	limited := map[uint64]uint64{wasiRofs: wasiNospc, wasiAgain: wasiMfile}
	across := map[uint64]uint64{wasiRofs: wasiNospc, wasiAgain: wasiMfile, wasiNosys: wasiXdev}
	return map[string]wrapper{
		"fd_allocate":           renumber(limited),
		"fd_filestat_set_size":  renumber(limited),
		"fd_readdir":            renumber(limited),
		"path_create_directory": renumber(limited),
		"path_open":             renumber(limited),
		"path_symlink":          renumber(limited),
		"path_link":             renumber(across),
		"path_rename":           renumber(across),
		"fd_read":               boundVectors,
		"fd_pread":              boundVectors,
		"fd_write":              func(f api.GoModuleFunction) api.GoModuleFunc { return renumber(limited)(boundVectors(f)) },
		"fd_pwrite":             func(f api.GoModuleFunction) api.GoModuleFunc { return renumber(limited)(boundVectors(f)) },
		"fd_renumber":           boundRenumber,
		"poll_oneoff":           boundPoll,
		"fd_filestat_set_times": refuseStdio,
	}
}

// renumber replaces errnos in the result.
func renumber(errnos map[uint64]uint64) wrapper {
	return func(inner api.GoModuleFunction) api.GoModuleFunc {
		return func(ctx context.Context, mod api.Module, stack []uint64) {
			inner.Call(ctx, mod, stack)
			if stack[0] == 0 {
				return
			}
			if errno, ok := errnos[stack[0]]; ok {
				stack[0] = errno
			}
		}
	}
}

// boundRenumber looks at fd_renumber's parameters: from, to.
func boundRenumber(inner api.GoModuleFunction) api.GoModuleFunc {
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		if uint32(stack[1]) >= maxRenumber {
			stack[0] = wasiBadf
			return
		}
		inner.Call(ctx, mod, stack)
	}
}

// boundPoll looks at the third parameter, the number of subscriptions.
func boundPoll(inner api.GoModuleFunction) api.GoModuleFunc {
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		if uint32(stack[2]) > maxPolled {
			stack[0] = wasiInval
			return
		}
		inner.Call(ctx, mod, stack)
	}
}

// refuseStdio looks at the first parameter, the descriptor.
func refuseStdio(inner api.GoModuleFunction) api.GoModuleFunc {
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		if uint32(stack[0]) <= sysStderr {
			stack[0] = wasiNotsup
			return
		}
		inner.Call(ctx, mod, stack)
	}
}

// boundVectors looks at the parameters that reads and writes share: fd, vectors, how many. What lies out of the memory is
// left for WASI itself to refuse.
func boundVectors(inner api.GoModuleFunction) api.GoModuleFunc {
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		if !vectorsFit(mod.Memory(), uint32(stack[1]), uint32(stack[2])) {
			stack[0] = wasiInval
			return
		}
		inner.Call(ctx, mod, stack)
	}
}

func vectorsFit(mem api.Memory, at, count uint32) bool {
	if count > maxIovecs {
		return false
	}
	if count == 1 {
		return true
	}
	vectors, ok := mem.Read(at, count*8)
	if !ok {
		return true
	}
	var sum uint64
	for ; len(vectors) > 0; vectors = vectors[8:] {
		sum += uint64(binary.LittleEndian.Uint32(vectors[4:]))
	}
	return sum <= uint64(mem.Size())
}
