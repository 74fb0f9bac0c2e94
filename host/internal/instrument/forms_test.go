package instrument_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/provisor/provisor/host/internal/instrument"
)

// everything is a module in which functions are referred to in all ways there are: each must be found under its new number.
func everything() []byte {
	names := join(text("name"),
		[]byte{0, 4}, text("mod"),
		[]byte{1}, sized(uleb(2), uleb(0), text("imported"), uleb(3), text("third")),
		[]byte{2}, sized(uleb(1), uleb(3), uleb(1), uleb(0), text("x")),
		[]byte{7}, sized(uleb(1), uleb(0), text("g")))
	one := func(n int64) []byte { return constI64(n) }
	expr := func(f byte) []byte { return []byte{0xd2, f, 0x0b} }
	null := []byte{0xd0, funcref, 0x0b}
	at := func(i int32) []byte { return append(constI32(i), 0x0b) }
	call := func(i int32) []byte { return join(constI32(i), []byte{0x11, 1, 0}) }
	return assembly{
		imports:  [][]byte{join(text("env"), text("f"), []byte{0, 1})},
		imported: 1,
		funcs: []function{
			{typ: 1, body: one(1)}, // function 1, f0
			{typ: 1, body: one(2)},
			{typ: 1, body: one(3)},
			{typ: 0, body: join(constI64(77), []byte{0x24, 2})}, // function 4, the start function
			{typ: 1, body: callFunc(2)},                         // function 5, f4
			{typ: 1, body: callFunc(0)},                         // f5: the import
			{typ: 1, body: join(constI32(0), []byte{0x25, 0, 0x1a}, constI32(7), []byte{0xd2, 3, 0x26, 0}, call(7))}, // f6: ref.func, table.set
			{typ: 1, body: join(constI32(8), []byte{0x23, 0, 0x26, 0}, call(8))},                                     // f7: through a global
			{typ: 1, body: join(constI32(9), constI32(0), constI32(1), misc(12, 1, 0), call(9))},                     // f8: table.init of segment 1
			{typ: 1, body: join(constI32(9), constI32(0), constI32(1), misc(12, 5, 0), call(9))},                     // f9: table.init of segment 5
		},
		tables:  [][]byte{{funcref, 1, 16, 16}, {funcref, 1, 4, 4}},
		globals: [][]byte{join([]byte{funcref, 0}, expr(1)), join([]byte{funcref, 0}, null), {i64, 1, 0x42, 0, 0x0b}},
		exports: [][]byte{join(text("started"), []byte{3, 2}), join(text("import"), []byte{0, 0}), join(text("table"), []byte{1, 0})},
		start:   5,
		elements: [][]byte{
			join([]byte{0}, at(0), []byte{2, 1, 2}),
			{1, 0, 1, 2},
			join([]byte{2, 0}, at(2), []byte{0, 1, 3}),
			{3, 0, 1, 1},
			join([]byte{4}, at(3), []byte{2}, expr(1), null),
			join([]byte{5, funcref, 1}, expr(3)),
			join([]byte{6, 1}, at(1), []byte{funcref, 1}, expr(2)),
			join([]byte{7, funcref, 1}, expr(3)),
		},
		pages:   1,
		data:    [][]byte{join([]byte{0}, at(8), text("active")), join([]byte{1}, text("passive")), join([]byte{2, 0}, at(20), text("third form"))},
		customs: [][]byte{names, join(text("provisor.manifest"), []byte("kept")), join(text(".debug_line"), []byte("dropped")), join(text("reloc.CODE"), []byte("dropped"))},
	}.encode()
}

func sized(parts ...[]byte) []byte {
	all := join(parts...)
	return join(uleb(uint64(len(all))), all)
}

func TestEveryReference(t *testing.T) {
	for name, module := range map[string][]byte{"plain": everything(), "instrumented": instrumented(t, everything())} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, wazero.NewRuntimeConfig())
			_, err := h.runtime.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func() int64 { return 42 }).Export("f").Instantiate(h.ctx)
			must(t, err)
			mod := h.start(module)
			for f, want := range map[string]uint64{
				"f0": 1, "f1": 2, "f2": 3, "f4": 2, "f5": 42, "f6": 3, "f7": 1, "f8": 2, "f9": 3, "import": 42,
			} {
				if got := call(t, mod, f); got != want {
					t.Errorf("%s is %d, want %d", f, got, want)
				}
			}
			if got := mod.ExportedGlobal("started").Get(); got != 77 {
				t.Errorf("the start function set %d", got)
			}
			if data, _ := mod.Memory().Read(0, 32); !bytes.Contains(data, []byte("active")) || !bytes.Contains(data, []byte("third form")) {
				t.Errorf("the memory begins with %q", data)
			}
		})
	}
}

func TestCustomSections(t *testing.T) {
	h := newHost(t, wazero.NewRuntimeConfig().WithCustomSections(true).WithDebugInfoEnabled(false))
	compiled, err := h.runtime.CompileModule(h.ctx, instrumented(t, everything()))
	must(t, err)
	var kept []string
	for _, s := range compiled.CustomSections() {
		kept = append(kept, s.Name()+"="+string(s.Data()))
	}
	if want := "provisor.manifest=kept"; strings.Join(kept, " ") != want {
		t.Errorf("custom sections: %v, want %s", kept, want)
	}
	if got := compiled.Name(); got != "mod" {
		t.Errorf("the module's name is %q", got)
	}
	if got := compiled.ImportedFunctions()[1].Name(); got != "provisor_fuel.yield" {
		t.Errorf("yield's name is %q", got)
	}
	if got := compiled.ExportedFunctions()["f2"].Name(); got != "third" {
		t.Errorf("the third function's name is %q", got)
	}
}

// TestMalformedNames drops them.
func TestMalformedNames(t *testing.T) {
	for _, names := range [][]byte{{1, 200}, {1, 2, 9, 9}, {1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f}, {2, 1, 7}} {
		module := assembly{funcs: []function{{}}, customs: [][]byte{join(text("name"), names)}}.encode()
		if out := instrumented(t, module); bytes.Contains(out, []byte("name")) || !accepts(t, out) {
			t.Errorf("names %x: %x", names, out)
		}
	}
}

func TestRefused(t *testing.T) {
	body := func(b ...byte) []byte { return assembly{pages: 1, funcs: []function{{body: b}}}.encode() }
	tests := []struct {
		name, want string
		module     []byte
	}{
		{"text", "does not begin like a WebAssembly module", []byte("(module)")},
		{"nothing", "does not begin like a WebAssembly module", nil},
		{"a section cut short", "unexpected end", everything()[:40]},
		{"an unknown section", "unknown kind 13", append(assembly{}.encode(), 13, 0)},
		{"sections out of order", "out of order", append(assembly{funcs: []function{{}}}.encode(), 1, 1, 0)},
		{"a guest that imports yield", `it imports from "provisor_fuel"`, assembly{imports: [][]byte{join(text("provisor_fuel"), text("x"), []byte{0, 0})}}.encode()},
		{"the fuel's global read", "global 0, of 0", body(0x23, 0, 0x1a)},
		{"the fuel's global written", "global 0, of 0", body(0x42, 1, 0x24, 0)},
		{"the fuel's global exported", "an export of global 0, of 0", assembly{exports: [][]byte{join(text("g"), []byte{3, 0})}}.encode()},
		{"the new local", "local 0, of 0", body(0x20, 0, 0x1a)},
		{"the new type", "type 2, of 2", body(0x41, 0, 0x11, 2, 0)},
		{"the new function", "function 1, of 1", body(0x10, 1)},
		{"a reference to the new function", "function 2, of 1", body(0xd2, 2, 0x1a)},
		{"the new function exported", "function 1, of 1", assembly{pages: 1, funcs: []function{{}}, exports: [][]byte{join(text("x"), []byte{0, 1})}}.encode()},
		{"the new function in a table", "function 1, of 1", assembly{pages: 1, funcs: []function{{}}, elements: [][]byte{{1, 0, 1, 1}}}.encode()},
		{"the new function at the start", "function 1, of 1", assembly{pages: 1, funcs: []function{{}}, start: 2}.encode()},
		{"a block of the new type", "a block of type 2, of 2", body(0x02, 2, 0x0b)},
		{"tail calls", "0x12, which WebAssembly 2.0 does not have", body(0x12, 0)},
		{"threads", "0xfe, which WebAssembly 2.0 does not have", body(0xfe, 0x03, 0)},
		{"exceptions", "0x8, which WebAssembly 2.0 does not have", body(0x08, 0)},
		{"a misc instruction that is not there", "0xfc 0x12", body(0xfc, 0x12)},
		{"a SIMD instruction in five bytes", "SIMD instruction 0x8c in an unusual encoding", body(0xfd, 0x8c, 0x80, 0x80, 0x00)},
		{"relaxed SIMD", "SIMD instruction 0x80 in an unusual encoding", body(0xfd, 0x80, 0x02)},
		{"a second memory", "a second memory", body(0x3f, 1, 0x1a)},
		{"an else too many", "an else without an if", body(0x05)},
		{"an end too many", "bytes too many", body(0x0b)},
		{"an end too few", "unexpected end", body(0x02, 0x40)},
		{"a branch too far", "a branch out of 7 blocks, of 1", body(0x0c, 7)},
		{"many locals", "50038 locals, at most 50000 are taken",
			assembly{funcs: []function{{locals: repeat(394, []byte{127, i32})}}}.encode()},
		{"four billion locals", "4294967295 locals, at most 50000 are taken",
			bytes.Replace(assembly{funcs: []function{{locals: []byte{1, i32, 1, i64, 1, i64, 1, i64}}}}.encode(),
				[]byte{4, 1, i32, 1, i64, 1, i64, 1, i64}, []byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f, i32, 1, 1}, 1)},
		{"a vector of four billion imports", "a vector of 4294967295 items", append([]byte("\x00asm\x01\x00\x00\x00\x02\x05"), uleb(1<<32-1)...)},
		{"a table of a gigabyte", "tables of 134217728 elements, at most 4194304 are taken",
			assembly{tables: [][]byte{join([]byte{funcref, 0}, uleb(1<<27))}}.encode()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := instrument.Instrument(tt.module, instrument.Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) || out != nil {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// TestTables: all tables together grow to the limit and no further.
func TestTables(t *testing.T) {
	grow := func(table byte) []byte {
		return join([]byte{0xd0, funcref}, constI32(100), misc(15, table), []byte{0x1a, 0xfc, 16, table, 0xad})
	}
	module := assembly{
		tables: [][]byte{{funcref, 0, 4}, {0x6f, 1, 0, 20}},
		funcs: []function{
			{typ: 1, body: join(grow(0))},
			{typ: 1, body: join([]byte{0xd0, 0x6f}, constI32(20), misc(15, 1), []byte{0xac})},
		},
	}.encode()
	for limit, want := range map[uint32][2]uint64{0: {104, 0}, 1000: {104, 0}, 104: {4, 0}, 30: {4, 1<<64 - 1}} {
		out, err := instrument.Instrument(module, instrument.Options{Tables: limit})
		must(t, err)
		mod := newHost(t, wazero.NewRuntimeConfig()).start(out)
		if got := [2]uint64{call(t, mod, "f0"), call(t, mod, "f1")}; got != want {
			t.Errorf("with a limit of %d: %d, want %d", limit, got, want)
		}
	}
}

// TestOtherNames imports from where it is told.
func TestOtherNames(t *testing.T) {
	out, err := instrument.Instrument(everything(), instrument.Options{Module: "meter", Name: "more"})
	must(t, err)
	h := newHost(t, wazero.NewRuntimeConfig())
	compiled, err := h.runtime.CompileModule(h.ctx, out)
	must(t, err)
	imports := compiled.ImportedFunctions()
	module, name, _ := imports[len(imports)-1].Import()
	types := append(imports[len(imports)-1].ParamTypes(), imports[len(imports)-1].ResultTypes()...)
	if module != "meter" || name != "more" || !bytes.Equal(types, []byte{api.ValueTypeI64, api.ValueTypeI64}) {
		t.Errorf("it imports %s.%s of %v", module, name, types)
	}
}

// TestPieces compares copies and fills of more than a piece, overlapping and not fitting, with what they were.
func TestPieces(t *testing.T) {
	const piece, size = 1 << 20, 5<<20 + 1<<16
	module := assembly{
		types: [][]byte{{0x60, 3, i32, i32, i32, 0}}, pages: size >> 16,
		funcs: []function{
			{typ: 2, body: join(localGet(0), localGet(1), localGet(2), misc(11, 0))},
			{typ: 2, body: join(localGet(0), localGet(1), localGet(2), misc(10, 0, 0))},
		},
	}.encode()
	data := make([]byte, size)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	hosts := [2]*host{newHost(t, wazero.NewRuntimeConfig()), newHost(t, wazero.NewRuntimeConfig())}
	hosts[1].grant = 1000
	mods := [2]api.Module{hosts[0].start(module), hosts[1].start(instrumented(t, module))}
	for _, op := range []string{"f0", "f1"} {
		for _, args := range [][]uint64{
			{0, 0, 0}, {5, 9, piece}, {5, 9, piece + 1}, {9, 5, piece + 1}, {9, 5, piece - 1}, {100, 7, 3 * piece}, {7, 100, 3 * piece},
			{piece, 0, 4 * piece}, {0, piece, 4*piece + 1<<16}, {size, 0, 0}, {size, 0, 1}, {0, size, 1}, {size - piece, 0, piece + 1},
			{0, size - piece, piece + 1}, {1, 0, size}, {0, 1, size}, {1, 1, 1<<32 - 1}, {1<<32 - 1, 1, 2}, {1, 1<<32 - 1, 2 * piece}, {size + 1, 0, 0},
		} {
			var ends [2]string
			for i, mod := range mods {
				mod.Memory().Write(0, data)
				_, err := mod.ExportedFunction(op).Call(hosts[i].ctx, args...)
				ends[i] = trap(err)
			}
			before, _ := mods[0].Memory().Read(0, size)
			after, _ := mods[1].Memory().Read(0, size)
			if ends[0] != ends[1] || !bytes.Equal(before, after) {
				t.Errorf("%s%v: plain: %q, instrumented: %q, the same memory: %v", op, args, ends[0], ends[1], bytes.Equal(before, after))
			}
		}
	}
	if hosts[1].yields < 50 {
		t.Errorf("it yielded %d times", hosts[1].yields)
	}
}
