package instrument_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/provisor/provisor/host/internal/instrument"
)

// TestOutline: all is there but the code.
func TestOutline(t *testing.T) {
	module := split(t, everything()).Module
	outline, err := instrument.Outline(module)
	must(t, err)
	h := newHost(t, wazero.NewRuntimeConfig())
	whole, err := h.runtime.CompileModule(h.ctx, module)
	must(t, err)
	compiled, err := h.runtime.CompileModule(h.ctx, outline)
	must(t, err)
	names := func(m wazero.CompiledModule) []string { return slices.Sorted(maps.Keys(m.ExportedFunctions())) }
	if !slices.Equal(names(whole), names(compiled)) || len(whole.ImportedFunctions()) != len(compiled.ImportedFunctions()) {
		t.Errorf("exports are %v, not %v", names(compiled), names(whole))
	}
	if got := compiled.ExportedFunctions()["f2"].DebugName(); got != whole.ExportedFunctions()["f2"].DebugName() {
		t.Errorf("a function is called %s", got)
	}
}

// TestOutlinesDiffer: modules that differ in code alone have other outlines.
func TestOutlinesDiffer(t *testing.T) {
	var outlines [2][]byte
	for i := range outlines {
		var err error
		outlines[i], err = instrument.Outline(assembly{pages: 1, funcs: []function{{typ: 1, body: constI64(int64(i))}}}.encode())
		must(t, err)
	}
	if len(outlines[0]) != len(outlines[1]) || bytes.Equal(outlines[0], outlines[1]) {
		t.Errorf("outlines: %x and %x", outlines[0], outlines[1])
	}
}

func TestOutlineOfNoModule(t *testing.T) {
	for _, module := range [][]byte{nil, []byte("text"), everything()[:40], append(bytes.Clone(everything()[:8]), 10, 5, 0xff, 0xff, 0xff, 0xff, 0x0f)} {
		if _, err := instrument.Outline(module); err == nil {
			t.Errorf("%x: no error", module)
		}
	}
}
