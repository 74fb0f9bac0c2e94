package instrument_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/provisor/provisor/host/internal/instrument"
)

// grant is the fuel that the tests' yield gives, if nothing else is said.
const grant = 1_000_000

// A host runs modules, with a yield that counts.
type host struct {
	t        testing.TB
	ctx      context.Context
	runtime  wazero.Runtime
	yields   int64
	burnt    int64
	grant    int64  // of fuel, by each yield
	onYield  func() // what it does
	onReturn func() // what it does last
}

func newHost(t testing.TB, config wazero.RuntimeConfig) *host {
	t.Helper()
	h := &host{t: t, ctx: context.Background(), grant: grant}
	h.runtime = wazero.NewRuntimeWithConfig(h.ctx, config.WithCoreFeatures(api.CoreFeaturesV2))
	t.Cleanup(func() { h.runtime.Close(h.ctx) })
	wasi_snapshot_preview1.MustInstantiate(h.ctx, h.runtime)
	_, err := h.runtime.NewHostModuleBuilder(instrument.DefaultModule).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(h.yield), []api.ValueType{api.ValueTypeI64}, []api.ValueType{api.ValueTypeI64}).
		Export(instrument.DefaultName).Instantiate(h.ctx)
	must(t, err)
	return h
}

func (h *host) yield(_ context.Context, stack []uint64) {
	h.yields++
	h.burnt += h.grant - int64(stack[0])
	if int64(stack[0]) >= 0 {
		panic(fmt.Sprintf("yield was called with %d left", int64(stack[0])))
	}
	if h.onYield != nil {
		h.onYield()
	}
	runtime.Gosched()
	stack[0] = uint64(h.grant)
	if h.onReturn != nil {
		h.onReturn()
	}
}

// start compiles and instantiates, and runs _initialize if there is one.
func (h *host) start(module []byte) api.Module {
	h.t.Helper()
	compiled, err := h.runtime.CompileModule(h.ctx, module)
	must(h.t, err)
	mod, err := h.runtime.InstantiateModule(h.ctx, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions(instrument.Prepare, "_initialize"))
	must(h.t, err)
	h.t.Cleanup(func() { mod.Close(h.ctx) })
	return mod
}

// assemble makes an instance of what Split made: with its data, and prepared.
func (h *host) assemble(parts *instrument.Parts, config wazero.ModuleConfig) (api.Module, error) {
	mod, err := h.runtime.InstantiateWithConfig(h.ctx, parts.Module, config.WithStartFunctions(instrument.Prepare))
	if err != nil {
		return nil, err
	}
	for _, d := range parts.Data {
		if !mod.Memory().Write(d.Offset, d.Bytes) {
			h.t.Errorf("%d bytes of data at %d don't fit", len(d.Bytes), d.Offset)
		}
	}
	return mod, nil
}

func instrumented(t testing.TB, module []byte) []byte {
	t.Helper()
	out, err := instrument.Instrument(module, instrument.Options{})
	must(t, err)
	return out
}

func call(t testing.TB, mod api.Module, name string, params ...uint64) uint64 {
	t.Helper()
	results, err := mod.ExportedFunction(name).Call(context.Background(), params...)
	must(t, err)
	if len(results) == 0 {
		return 0
	}
	return results[0]
}

var goGuest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "instrument")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, "./internal/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the guest: %w\n%s", err, text)
	}
	return os.ReadFile(out)
})

func guest(t testing.TB) []byte {
	t.Helper()
	module, err := goGuest()
	must(t, err)
	return module
}

// plan generates a plan-like JSON document of about that size.
func plan(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"format_version":"1.2","resource_changes":[`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"address":"module.network[%d].aws_instance.node[%d]","mode":"managed","type":"aws_instance","name":"node","index":%d,`+
			`"change":{"actions":["create"],"before":null,"after":{"ami":"ami-%08x","count":%d,"ratio":%g,"monitoring":true,"tags":{"Name":"node \"%d\"","owner":"tëam"},`+
			`"user_data":"IyEvYmluL2Jhc2gKZWNobyBoZWxsbyA%d","ports":[22,80,443,%d],"nested":{"a":{"b":{"c":[null,false,{"d":1.5e-7}]}}}},"after_unknown":{"id":true}}}`,
			i%17, i, i, i*2654435761, i, float64(i)/3, i, i, i)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func feed(t testing.TB, mod api.Module, data []byte) {
	t.Helper()
	at := uint32(call(t, mod, "reserve", uint64(len(data))))
	if !mod.Memory().Write(at, data) {
		t.Fatal("no room for the input")
	}
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// skipWithRaceDetector spares what has no second goroutine.
func skipWithRaceDetector(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("nothing here is concurrent")
	}
}
