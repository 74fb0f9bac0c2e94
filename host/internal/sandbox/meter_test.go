package sandbox

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/wasmtest"
)

var cpuText = regexp.MustCompile(`^interrupted: it has computed for [0-9.]+m?s, the limit for one request is 50ms \(setting cpu_millis\)$`)

// A plugin computes as long as it may and no longer, wherever it does so.
func TestProcessorTimeIsBounded(t *testing.T) {
	forever := wasmtest.Loop(wasmtest.Br(0))
	for name, module := range map[string]func(p *wasmtest.Plugin) []byte{
		"a loop":         func(p *wasmtest.Plugin) []byte { return p.Handled(forever, wasmtest.I32Const(0)) },
		"provisor_alloc": func(p *wasmtest.Plugin) []byte { return plugin(p, nil, forever) },
		"_initialize":    func(p *wasmtest.Plugin) []byte { return plugin(p, forever, nil) },
		"calls of the host": func(p *wasmtest.Plugin) []byte {
			return p.Handled(wasmtest.Loop(p.Host(abi.FuncCanceled), wasmtest.Drop, wasmtest.Br(0)), wasmtest.I32Const(0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := newRuntime(t, Options{Limits: Limits{CPUTime: 50 * time.Millisecond}}).Compile(t.Context(), snapshotOf(module(wasmtest.NewPlugin())))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			i, err := m.Instantiate(ctx, InstanceConfig{Work: newDirFS(t), Tmp: newDirFS(t), Host: &fakeHost{}})
			if err == nil {
				defer i.Close(t.Context())
				_, err = i.Handle(ctx, []byte("x"))
			}
			var f *Failure
			if !errors.As(err, &f) || f.Kind != CPU || !cpuText.MatchString(f.Text) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// plugin is one with that to do in _initialize and provisor_alloc.
func plugin(p *wasmtest.Plugin, initialize, alloc []byte) []byte {
	p.Define(abi.ExportInitialize, nil, initialize)
	p.Define(abi.ExportABIVersion, nil, wasmtest.I32Const(abi.Version))
	p.Define(abi.ExportAlloc, nil, alloc, wasmtest.I32Const(wasmtest.RequestAt))
	p.Define(abi.ExportHandle, nil, p.Respond("x"))
	p.Memory(wasmtest.AtLeast(1))
	p.ExportMemory(abi.ExportMemory)
	return p.Bytes()
}

// Waiting is not computing, and each request begins with nothing used.
func TestWaitingCostsNoProcessorTime(t *testing.T) {
	p := wasmtest.NewPlugin()
	module := p.Handled(sleepFor(p, uint64(400*time.Millisecond)), p.Respond("x"))
	i := newInstance(t, newRuntime(t, Options{Limits: Limits{CPUTime: 390 * time.Millisecond}}), module, &fakeHost{})
	for range 2 {
		if _, err := i.Handle(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if i.meter.used > 350*time.Millisecond {
		t.Errorf("it cost %v", i.meter.used)
	}
}
