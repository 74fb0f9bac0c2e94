package sandbox

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/provisor/provisor/host/internal/wasmtest"
)

// endless is a plugin with a function of some kilobytes that the compiler would take hours for.
func endless() []byte {
	const locals = 100
	p := wasmtest.NewPlugin()
	var open, closed []byte
	for n := range 4000 {
		local := uint32(n % locals)
		open = slices.Concat(open, []byte{0x03, 0x40}, wasmtest.LocalGet(local), wasmtest.I32Const(1), wasmtest.I32Add, wasmtest.LocalSet(local))
		closed = slices.Concat(wasmtest.LocalGet(local), []byte{0x0d, 0, 0x0b}, closed)
	}
	p.Func(nil, nil, slices.Repeat([]wasmtest.Type{wasmtest.I32}, locals), open, closed)
	return p.Handled(wasmtest.I32Const(0))
}

// What compiling takes has limits, whatever the module does to the compiler.
func TestCompilationIsBounded(t *testing.T) {
	for name, test := range map[string]struct {
		limits  Limits
		cancel  bool
		inspect bool
		want    string
	}{
		"time":   {limits: Limits{CompileTime: 200 * time.Millisecond}, want: "compile the module: it takes longer than 200ms (setting compile_millis)"},
		"memory": {limits: Limits{CompileBytes: 20 << 20}, want: "compile the module: it takes more than 20 MiB of memory (setting compile_bytes)"},
		"cancel": {cancel: true, want: "compile the module: the operator has changed his mind"},
		// Whoever only looks at it compiles it too.
		"inspect, time":   {limits: Limits{CompileTime: 200 * time.Millisecond}, inspect: true, want: "compile the module: it takes longer than 200ms (setting compile_millis)"},
		"inspect, memory": {limits: Limits{CompileBytes: 20 << 20}, inspect: true, want: "compile the module: it takes more than 20 MiB of memory (setting compile_bytes)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if test.cancel {
				time.AfterFunc(300*time.Millisecond, func() { cancel(errors.New("the operator has changed his mind")) })
			}
			began := time.Now()
			r := newRuntime(t, Options{Limits: test.limits})
			var err error
			if test.inspect {
				_, err = r.Inspect(ctx, Source{Wasm: endless()})
			} else {
				_, err = r.Compile(ctx, Source{Wasm: endless()})
			}
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			// What one compilation takes, the next does not wait for.
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestModuleSizeIsBounded(t *testing.T) {
	p := wasmtest.NewPlugin()
	p.Data(0, make([]byte, 20<<10))
	_, err := newRuntime(t, Options{Limits: Limits{ModuleBytes: 10 << 10}}).Compile(t.Context(), Source{Wasm: p.Handled(wasmtest.I32Const(0))})
	if err == nil || !strings.HasSuffix(err.Error(), "the limit is 10 KiB (setting module_bytes)") {
		t.Errorf("got %v", err)
	}
}
