package instrument_test

import (
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/provisor/provisor/host/internal/instrument"
)

// BenchmarkDecode decodes a 10 MB plan (with -short 1 MB) in a Go guest: as it is, with fuel, taken apart, and with wazero's own switch. They take
// turns, and each one's best time counts, so that what else the machine does matters little.
//
//	go test -run '^$' -bench Decode -benchtime 5x ./host/internal/instrument
func BenchmarkDecode(b *testing.B) {
	size := 10 << 20
	if testing.Short() {
		size = 1 << 20
	}
	data := plan(size)
	plain := guest(b)
	variants := []*variant{
		{name: "plain", module: plain, config: wazero.NewRuntimeConfig()},
		{name: "fuel", module: instrumented(b, plain), config: wazero.NewRuntimeConfig()},
		{name: "split", parts: split(b, plain), config: wazero.NewRuntimeConfig()},
		{name: "switch", module: plain, config: wazero.NewRuntimeConfig().WithCloseOnContextDone(true)},
	}
	for _, v := range variants {
		v.start(b, data)
	}
	b.ResetTimer()
	for range b.N {
		for _, v := range variants {
			v.decode(b)
		}
	}
	for _, v := range variants {
		b.ReportMetric(float64(v.best.Milliseconds()), v.name+"-ms")
		b.ReportMetric(float64(v.best)/float64(variants[0].best), v.name+"/plain")
	}
	b.ReportMetric(float64(variants[1].host.yields)/float64(b.N+1), "yields/decode")
}

type variant struct {
	name   string
	module []byte
	parts  *instrument.Parts
	config wazero.RuntimeConfig
	host   *host
	mod    api.Module
	sum    uint64
	best   time.Duration
}

func (v *variant) start(b *testing.B, data []byte) {
	v.host = newHost(b, v.config)
	if v.parts == nil {
		v.mod = v.host.start(v.module)
	} else {
		var err error
		v.mod, err = v.host.assemble(v.parts, wazero.NewModuleConfig().WithName(""))
		must(b, err)
		call(b, v.mod, "_initialize")
	}
	feed(b, v.mod, data)
	v.sum = call(b, v.mod, "decode")
}

func (v *variant) decode(b *testing.B) {
	began := cpuTime(b)
	if got := call(b, v.mod, "decode"); got != v.sum || int64(got) < 0 {
		b.Fatalf("%s: decoded to %d, then to %d", v.name, v.sum, got)
	}
	if took := cpuTime(b) - began; v.best == 0 || took < v.best {
		v.best = took
	}
}

// BenchmarkInstrument says how fast modules are rewritten, and by how much they grow.
func BenchmarkInstrument(b *testing.B) {
	module := guest(b)
	b.SetBytes(int64(len(module)))
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		out = instrumented(b, module)
	}
	b.ReportMetric(float64(len(out))/float64(len(module)), "growth")
}
