package sandbox

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/provisor/provisor/host/internal/jailfs"
)

// provideWASI makes the module of WASI's functions: wazero's, as jailfs corrects them, but for one; and each of them ends a guest whose
// time is over.
func (r *Runtime) provideWASI(ctx context.Context) error {
	builder, err := jailfs.NewWASI(ctx, r.engine)
	if err != nil {
		return err
	}
	i32 := api.ValueTypeI32
	builder.NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(refuseRenumber), []api.ValueType{i32, i32}, []api.ValueType{i32}).
		Export("fd_renumber")
	corrected, err := builder.Compile(ctx)
	if err != nil {
		return err
	}
	defer corrected.Close(ctx)
	interruptible := r.engine.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	for name, f := range corrected.ExportedFunctions() {
		do, ok := f.GoFunction().(api.GoModuleFunction)
		if !ok {
			return fmt.Errorf("WASI's %s of this wazero is a %T, not a function of the host", name, f.GoFunction())
		}
		interruptible.NewFunctionBuilder().
			WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
				i := enterHost(ctx)
				defer i.leaveHost()
				i.rehearsal.allow(wasi_snapshot_preview1.ModuleName, name)
				do.Call(ctx, m, stack)
			}), f.ParamTypes(), f.ResultTypes()).
			Export(name)
	}
	compiled, err := interruptible.Compile(ctx)
	if err != nil {
		return err
	}
	r.wasi = compiled.ExportedFunctions()
	_, err = interruptible.Instantiate(ctx)
	return err
}

// refuseRenumber stands for fd_renumber. wazero's table of descriptors grows up to the number that it is given: one call could take 16 GiB
// of the host's memory. Nothing needs the function: WASI has no other way to choose a descriptor's number either.
func refuseRenumber(_ context.Context, _ api.Module, stack []uint64) {
	const notSupported = 58 // ENOTSUP in WASI's numbers
	stack[0] = notSupported
}
