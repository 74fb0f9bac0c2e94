package sandbox

import (
	"context"
	"runtime"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/provisor/provisor/host/internal/instrument"
)

// tank is the fuel that a guest gets at a time, in instrument's units of about one simple instruction: enough that refilling costs
// nothing, and little enough that neither a deadline nor the garbage collector waits for more than about a millisecond.
const tank = 1_000_000

// provideFuel makes the module that instrumented plugins import yield from. Guests are interrupted there and in calls of the host.
func provideFuel(ctx context.Context, r wazero.Runtime) error {
	i64 := []api.ValueType{api.ValueTypeI64}
	_, err := r.NewHostModuleBuilder(instrument.DefaultModule).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(yield), i64, i64).
		Export(instrument.DefaultName).
		Instantiate(ctx)
	return err
}

// yield lets goroutines, timers and the collector run, and ends the guest once the context of the call into it has ended.
func yield(ctx context.Context, stack []uint64) {
	meter := &instanceOf(ctx).meter
	meter.pause()
	runtime.Gosched()
	endWith(ctx, meter)
	meter.run(exactly)
	stack[0] = tank
}

// enterHost begins a function of the host, and what it returns ends it: the time between the two is not the guest's. It also ends the guest
// if it may not go on: fuel does not count what the host does, so a loop around a call that costs milliseconds would go on for an hour.
func enterHost(ctx context.Context) (leave func(precision)) {
	meter := &instanceOf(ctx).meter
	meter.pause()
	endWith(ctx, meter)
	return meter.run
}

// endWith ends the guest if the context of the call into it has ended, or its time is used up.
func endWith(ctx context.Context, m *meter) {
	if ctx.Err() != nil || m.exhausted() {
		panic(sys.NewExitError(sys.ExitCodeContextCanceled))
	}
}
