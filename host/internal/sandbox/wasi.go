package sandbox

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/provisor/provisor/host/internal/jailfs"
)

// provideWASI makes the module of WASI's functions: wazero's, as jailfs corrects them, but for one.
func (r *Runtime) provideWASI(ctx context.Context) error {
	builder, err := jailfs.NewWASI(ctx, r.engine)
	if err != nil {
		return err
	}
	i32 := api.ValueTypeI32
	builder.NewFunctionBuilder().
		WithGoFunction(api.GoFunc(refuseRenumber), []api.ValueType{i32, i32}, []api.ValueType{i32}).
		Export("fd_renumber")
	compiled, err := builder.Compile(ctx)
	if err != nil {
		return err
	}
	r.wasi = compiled.ExportedFunctions()
	_, err = r.engine.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(wasi_snapshot_preview1.ModuleName))
	return err
}

// refuseRenumber stands for fd_renumber. wazero's table of descriptors grows up to the number that it is given: one call could take 16 GiB
// of the host's memory. Nothing needs the function: WASI has no other way to choose a descriptor's number either.
func refuseRenumber(_ context.Context, stack []uint64) {
	const notSupported = 58 // ENOTSUP in WASI's numbers
	stack[0] = notSupported
}
