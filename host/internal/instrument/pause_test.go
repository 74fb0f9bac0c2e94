package instrument_test

import (
	"fmt"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// BenchmarkPause measures the longest stop of the world while guests decode plans and the garbage collector runs all the time.
//
//	go test -run '^$' -bench Pause -benchtime 1x ./host/internal/instrument
func BenchmarkPause(b *testing.B) {
	data := plan(4 << 20)
	for name, module := range map[string][]byte{"plain": guest(b), "fuel": instrumented(b, guest(b))} {
		for _, guests := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/%d", name, guests), func(b *testing.B) {
				h := newHost(b, wazero.NewRuntimeConfig())
				mods := make([]api.Module, guests)
				for i := range mods {
					mods[i] = h.start(module)
					feed(b, mods[i], data)
				}
				decodeAll(b, mods) // from here on their memories need not grow, which copies them
				b.ResetTimer()
				measurePause(b, func() { decodeAll(b, mods) })
			})
		}
	}
}

// BenchmarkHostilePause measures it while a hostile module runs.
func BenchmarkHostilePause(b *testing.B) {
	for name, a := range hostileModules() {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			h := newHost(b, wazero.NewRuntimeConfig())
			compiled, err := h.runtime.CompileModule(h.ctx, instrumented(b, a.encode()))
			must(b, err)
			b.ResetTimer()
			measurePause(b, func() {
				began := time.Now()
				h.onYield = func() {
					if time.Since(began) > time.Second {
						panic("the deadline is over")
					}
				}
				_ = runHostile(h, compiled)
			})
		})
	}
}

func decodeAll(b *testing.B, mods []api.Module) {
	var decoding sync.WaitGroup
	for _, mod := range mods {
		decoding.Go(func() {
			if _, err := mod.ExportedFunction("decode").Call(b.Context()); err != nil {
				b.Error(err)
			}
		})
	}
	decoding.Wait()
}

// measurePause reports the longest pause during work.
func measurePause(b *testing.B, work func()) {
	sample := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	read := func() ([]uint64, []float64) {
		metrics.Read(sample)
		histogram := sample[0].Value.Float64Histogram()
		return append([]uint64(nil), histogram.Counts...), histogram.Buckets
	}
	before, _ := read()
	stop := collectGarbage()
	for range b.N {
		work()
	}
	stop()
	after, buckets := read()
	longest, pauses := 0.0, uint64(0)
	for i := range after {
		if n := after[i] - before[i]; n > 0 {
			longest, pauses = buckets[i+1], pauses+n
		}
	}
	b.ReportMetric(longest*1000, "longest-pause-ms")
	b.ReportMetric(float64(pauses), "pauses")
}
