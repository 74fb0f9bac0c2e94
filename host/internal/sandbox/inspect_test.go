package sandbox

import (
	"slices"
	"strings"
	"testing"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/wasmtest"
)

func TestInspect(t *testing.T) {
	r, err := New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(t.Context())

	t.Run("a plugin", func(t *testing.T) {
		got, err := r.Inspect(t.Context(), Source{Wasm: wasmtest.NewPlugin().Handled(wasmtest.Unreachable)})
		if err != nil || got.Problem != nil {
			t.Fatal(err, got)
		}
		if got.MemoryBytes != 64<<10 || got.MaxMemoryBytes != 0 {
			t.Errorf("memory %d to %d", got.MemoryBytes, got.MaxMemoryBytes)
		}
		for _, want := range []string{"provisor_handle (i32, i32) -> (i32)", "provisor_abi_version () -> (i32)"} {
			if !slices.ContainsFunc(got.Exports, func(f abi.Function) bool { return f.String() == want }) {
				t.Errorf("%v lacks %s", got.Exports, want)
			}
		}
		for _, want := range []string{"provisor_v1.exec_read (i32, i32, i32, i32) -> (i64)", "wasi_snapshot_preview1.proc_exit (i32) -> ()"} {
			if !slices.ContainsFunc(got.Imports, func(f abi.Function) bool { return f.String() == want }) {
				t.Errorf("%v lacks %s", got.Imports, want)
			}
		}
	})
	t.Run("a module that is no plugin", func(t *testing.T) {
		m := new(wasmtest.Module)
		m.ImportFunc(abi.HostModule, "shout", nil, nil)
		got, err := r.Inspect(t.Context(), Source{Wasm: m.Bytes()})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"lacks the export provisor_handle", "lacks the export of its memory", "imports provisor_v1.shout"} {
			if got.Problem == nil || !strings.Contains(got.Problem.Error(), want) {
				t.Errorf("%v lacks %q", got.Problem, want)
			}
		}
	})
	t.Run("no module", func(t *testing.T) {
		broken := new(wasmtest.Module)
		broken.Func(nil, []wasmtest.Type{wasmtest.I32}, nil)
		for _, b := range [][]byte{nil, []byte("text"), broken.Bytes()} {
			if got, err := r.Inspect(t.Context(), Source{Wasm: b}); err == nil {
				t.Errorf("%q: got %v", b, got)
			}
		}
	})
}
