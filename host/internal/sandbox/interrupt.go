package sandbox

import (
	"context"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/provisor/provisor/host/internal/instrument"
)

// tank is the fuel that a guest gets at a time, in instrument's units of about one simple instruction: enough that refilling costs
// nothing, and little enough that neither a deadline nor the garbage collector waits for more than about a millisecond.
const tank = 1_000_000

// slice is for how long a guest goes on, since others could run the last time, before it gives way to goroutines that are ready. The collector
// stops it wherever it yields.
const slice = 2 * time.Millisecond

// provideFuel makes the module that instrumented plugins import yield from. Guests are interrupted there and in calls of the host.
func provideFuel(ctx context.Context, r wazero.Runtime) error {
	i64 := []api.ValueType{api.ValueTypeI64}
	_, err := r.NewHostModuleBuilder(instrument.DefaultModule).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(yield), i64, i64).
		Export(instrument.DefaultName).
		Instantiate(ctx)
	return err
}

// yield lets the collector, and once in a slice goroutines and timers run, and ends the guest once the context of the call into it has ended.
func yield(ctx context.Context, stack []uint64) {
	i := instanceOf(ctx)
	stack[0] = tank
	if i.meter.by == exactly && time.Since(i.gaveWay) < slice && ctx.Err() == nil {
		return
	}
	i.meter.pause()
	if i.meter.since.Sub(i.gaveWay) >= slice {
		i.giveWay(ctx)
	}
	endWith(ctx, &i.meter)
	i.meter.run(exactly)
}

// giveWay lets others run: those that wait for their turn, if this guest has had one, and everything else.
func (i *Instance) giveWay(ctx context.Context) {
	i.turn.leave()
	runtime.Gosched()
	if i.meter.used > moment {
		i.turn.take(ctx)
	}
	i.gaveWay = time.Now()
}

// enterHost begins a function of the host, and leaveHost of the instance ends it: the time between the two is not the guest's. It also ends the
// guest if it may not go on: fuel does not count what the host does, so a loop around a call that costs milliseconds would go on for an hour.
func enterHost(ctx context.Context) *Instance {
	i := instanceOf(ctx)
	i.meter.pause()
	if i.turn.had && time.Since(i.turn.since) > patience {
		i.giveWay(ctx)
	}
	endWith(ctx, &i.meter)
	i.turn.enterHost()
	return i
}

// leaveHost goes on with the guest. If it has waited, others have run meanwhile.
func (i *Instance) leaveHost() {
	i.turn.leaveHost()
	entered := i.meter.since
	i.meter.run(roughly)
	if i.meter.since.Sub(entered) >= slice {
		i.gaveWay = i.meter.since
	}
}

// endWith ends the guest if the context of the call into it has ended, or its time is used up.
func endWith(ctx context.Context, m *meter) {
	if ctx.Err() != nil || m.exhausted() {
		panic(sys.NewExitError(sys.ExitCodeContextCanceled))
	}
}
