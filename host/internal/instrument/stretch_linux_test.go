package instrument_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sys/unix"
)

// BenchmarkStretch measures the longest stretch between two yields, in the processor time of the thread: for how long a guest
// holds up the collector by itself, whatever else the machine does meanwhile.
//
//	go test -run '^$' -bench Stretch -benchtime 1x ./host/internal/instrument
func BenchmarkStretch(b *testing.B) {
	b.Run("decode", func(b *testing.B) {
		// The memory is there from the start: to let it grow wazero copies it.
		h := newHost(b, wazero.NewRuntimeConfig().WithMemoryLimitPages(8192).WithMemoryCapacityFromMax(true))
		mod := h.start(instrumented(b, guest(b)))
		feed(b, mod, plan(4<<20))
		call(b, mod, "decode")
		measureStretch(b, h, false, func() { call(b, mod, "decode") })
	})
	for name, a := range hostileModules() {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			h := newHost(b, wazero.NewRuntimeConfig())
			compiled, err := h.runtime.CompileModule(h.ctx, instrumented(b, a.encode()))
			must(b, err)
			measureStretch(b, h, true, func() { _ = runHostile(h, compiled) })
		})
	}
}

func measureStretch(b *testing.B, h *host, hostile bool, work func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var longest, last time.Duration
	for range b.N {
		began := time.Now()
		last = 0
		h.onYield = func() {
			if now := threadTime(b); last > 0 {
				longest = max(longest, now-last)
			}
			if hostile && time.Since(began) > time.Second {
				panic("the deadline is over")
			}
		}
		h.onReturn = func() { last = threadTime(b) }
		work()
	}
	b.ReportMetric(float64(longest.Microseconds()), "longest-µs")
	b.ReportMetric(float64(h.yields), "yields")
}

func threadTime(b *testing.B) time.Duration {
	var now unix.Timespec
	must(b, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now))
	return time.Duration(now.Nano())
}
