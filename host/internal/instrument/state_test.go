package instrument_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/provisor/provisor/host/internal/instrument"
)

func split(t testing.TB, module []byte) *instrument.Parts {
	t.Helper()
	parts, err := instrument.Split(module, instrument.Options{})
	must(t, err)
	return parts
}

// TestSplit: without its data, put into place by hand, the module does what it did.
func TestSplit(t *testing.T) {
	parts := split(t, everything())
	h := newHost(t, wazero.NewRuntimeConfig())
	_, err := h.runtime.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func() int64 { return 42 }).Export("f").Instantiate(h.ctx)
	must(t, err)
	mod := h.start(parts.Module)
	if data, _ := mod.Memory().Read(0, 64); !bytes.Equal(data, make([]byte, 64)) {
		t.Errorf("the memory begins with %q", data)
	}
	want := []instrument.Data{{Offset: 8, Bytes: []byte("active")}, {Offset: 20, Bytes: []byte("third form")}}
	if !slices.EqualFunc(parts.Data, want, func(a, b instrument.Data) bool { return a.Offset == b.Offset && bytes.Equal(a.Bytes, b.Bytes) }) {
		t.Errorf("the data is %v", parts.Data)
	}
	if parts.MemoryBytes != 1<<16 {
		t.Errorf("the memory has %d bytes", parts.MemoryBytes)
	}
	if got := call(t, mod, "f5"); got != 42 {
		t.Errorf("the import returns %d", got)
	}
}

// TestSplitSegments: segments keep their numbers, and active ones are gone.
func TestSplitSegments(t *testing.T) {
	initialize := func(segment byte) []byte { return join(constI32(0), constI32(0), constI32(1), misc(8, segment, 0)) }
	module := assembly{
		pages: 1,
		funcs: []function{{body: initialize(1)}, {body: initialize(0)}},
		data:  [][]byte{join([]byte{0}, constI32(8), []byte{0x0b}, text("active")), join([]byte{1}, text("passive"))},
	}.encode()
	mod := newHost(t, wazero.NewRuntimeConfig()).start(split(t, module).Module)
	call(t, mod, "f0")
	if b, _ := mod.Memory().ReadByte(0); b != 'p' {
		t.Errorf("the passive segment begins with %q", b)
	}
	if _, err := mod.ExportedFunction("f1").Call(t.Context()); err == nil {
		t.Error("the active segment can still be read")
	}
}

// TestSplitGlobals: all that can change can be read and set, at their full width.
func TestSplitGlobals(t *testing.T) {
	const f32, f64, v128 = 0x7d, 0x7c, 0x7b
	vector := join([]byte{0xfd, 0x0c}, []byte("0123456789abcdef"))
	end := []byte{0x0b}
	module := assembly{
		pages: 1,
		funcs: []function{{body: join(vector, []byte{0x24, 4})}},
		globals: [][]byte{
			join([]byte{i32, 1}, constI32(-1), end), join([]byte{i64, 1}, constI64(1<<40), end), {f32, 1, 0x43, 1, 2, 3, 4, 0x0b},
			{f64, 1, 0x44, 1, 2, 3, 4, 5, 6, 7, 8, 0x0b}, join([]byte{v128, 1, 0xfd, 0x0c}, make([]byte, 16), end),
			join([]byte{i32, 0}, constI32(5), end), {funcref, 1, 0xd0, funcref, 0x0b}, {0x6f, 1, 0xd0, 0x6f, 0x0b},
		},
	}.encode()
	parts := split(t, module)
	mod := newHost(t, wazero.NewRuntimeConfig()).start(parts.Module)
	var names []string
	for _, g := range parts.Globals {
		names = append(names, strings.TrimPrefix(g.Name, instrument.StatePrefix))
		if g.Wide {
			get := func() []uint64 {
				halves, err := mod.ExportedFunction(g.Name + instrument.GetSuffix).Call(t.Context())
				must(t, err)
				return halves
			}
			call(t, mod, "f0")
			if got := get(); got[0] != 0x3736353433323130 || got[1] != 0x6665646362613938 {
				t.Errorf("the wide global is %#x", got)
			}
			_, err := mod.ExportedFunction(g.Name+instrument.SetSuffix).Call(t.Context(), 1<<63, 7)
			must(t, err)
			if got := get(); got[0] != 1<<63 || got[1] != 7 {
				t.Errorf("the wide global became %#x", got)
			}
			continue
		}
		global := mod.ExportedGlobal(g.Name).(api.MutableGlobal)
		value := uint64(0x41424344)
		global.Set(value)
		if global.Get() != value {
			t.Errorf("%s became %#x", g.Name, global.Get())
		}
	}
	if want := []string{"0", "1", "2", "3", "8", "4"}; !slices.Equal(names, want) { // 8 is the fuel
		t.Errorf("the globals are %v, want %v", names, want)
	}
}

// TestTouched: what can't be read from outside leaves a mark.
func TestTouched(t *testing.T) {
	null := []byte{0xd0, funcref}
	zeros := join(constI32(0), constI32(0), constI32(0))
	for name, tt := range map[string]struct {
		body []byte
		want uint64
	}{
		"nothing":          {nil, 0},
		"global.set":       {join(constI64(1), []byte{0x24, 1}), 0},
		"table.get":        {join(constI32(0), []byte{0x25, 0, 0x1a}), 0},
		"table.size":       {join(misc(16, 0), []byte{0x1a}), 0},
		"memory.init":      {join(zeros, misc(8, 0, 0)), 0},
		"table.set":        {join(constI32(0), null, []byte{0x26, 0}), 1},
		"table.grow":       {join(null, constI32(1), misc(15, 0), []byte{0x1a}), 1},
		"table.fill":       {join(constI32(0), null, constI32(0), misc(17, 0)), 1},
		"table.init":       {join(zeros, misc(12, 0, 0)), 1},
		"table.copy":       {join(zeros, misc(14, 0, 0)), 1},
		"elem.drop":        {misc(13, 0), 1},
		"data.drop":        {misc(9, 0), 1},
		"a reference set":  {join(null, []byte{0x24, 0}), 1},
		"inside of blocks": {block(loop(ifThenElse(constI32(1), misc(9, 0)))), 1},
	} {
		t.Run(name, func(t *testing.T) {
			module := assembly{
				pages: 1, funcs: []function{{body: tt.body}}, tables: [][]byte{{funcref, 0, 2}},
				globals:  [][]byte{{funcref, 1, 0xd0, funcref, 0x0b}, {i64, 1, 0x42, 0, 0x0b}},
				elements: [][]byte{{1, 0, 1, 0}}, data: [][]byte{join([]byte{1}, text("x"))},
			}.encode()
			mod := newHost(t, wazero.NewRuntimeConfig()).start(split(t, module).Module)
			if got := mod.ExportedGlobal(instrument.Touched).Get(); got != 0 {
				t.Errorf("at first it is %d", got)
			}
			call(t, mod, "f0")
			if got := mod.ExportedGlobal(instrument.Touched).Get(); got != tt.want {
				t.Errorf("it is %d, want %d", got, tt.want)
			}
		})
	}
}

func ifThenElse(condition, body []byte) []byte { return join(condition, ifThen(body)) }

func TestSplitRefuses(t *testing.T) {
	data := func(segment ...byte) []byte { return assembly{pages: 1, data: [][]byte{segment}}.encode() }
	for name, tt := range map[string]struct {
		module []byte
		want   string
	}{
		"an imported memory":     {assembly{imports: [][]byte{join(text("m"), text("x"), []byte{2, 0, 1})}}.encode(), "it imports a memory"},
		"an imported table":      {assembly{imports: [][]byte{join(text("m"), text("x"), []byte{1, funcref, 0, 1})}}.encode(), "it imports a table"},
		"an imported global":     {assembly{imports: [][]byte{join(text("m"), text("x"), []byte{3, i32, 0})}}.encode(), "it imports a global"},
		"a name of the host's":   {assembly{pages: 1, exports: [][]byte{join(text("provisor_state.x"), []byte{2, 0})}}.encode(), `it exports "provisor_state.x"`},
		"data without a memory":  {assembly{data: [][]byte{{0, 0x41, 0, 0x0b, 0}}}.encode(), "without a memory"},
		"data behind the memory": {data(join([]byte{0}, constI32(65535), []byte{0x0b, 2, 1, 2})...), "a data segment of 2 bytes at address 65535, outside of the memory of 65536"},
		"data far away":          {data(join([]byte{0}, constI32(-1), []byte{0x0b, 1, 1})...), "at address 4294967295"},
		"a place of 64 bits":     {data(0, 0x42, 0, 0x0b, 0), "whose place is not a constant"},
		"a place to compute":     {data(0, 0x41, 0, 0x41, 0, 0x6a, 0x0b, 0), "whose place is more than a constant"},
		"a second memory":        {data(2, 1, 0x41, 0, 0x0b, 0), "a second memory"},
		"an unknown form":        {data(3), "unknown form 3"},
		"no module":              {[]byte("text"), "does not begin like a WebAssembly module"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := instrument.Split(tt.module, instrument.Options{}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}
