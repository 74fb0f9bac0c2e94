package instrument_test

import (
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/provisor/provisor/host/internal/instrument"
)

// callAt calls what is in the table at that place, with the given type.
func callAt(place, typ byte) []byte { return join(localGet(uint64(place)), []byte{0x11, typ, 0}) }

func segment(at int32, funcs ...byte) []byte {
	return join([]byte{0}, constI32(at), []byte{0x0b}, uleb(uint64(len(funcs))), funcs)
}

// bound makes an instance whose functions are bound late.
func bound(t *testing.T, h *host, module []byte) api.Module {
	t.Helper()
	mod, err := h.assemble(split(t, module), wazero.NewModuleConfig().WithName(""))
	must(t, err)
	if mod.ExportedFunction(instrument.Prepare) == nil {
		t.Fatal("its functions are in the table from the start")
	}
	return mod
}

// TestBound: what is called through the table is what would be there, the first time and later.
func TestBound(t *testing.T) {
	const v128 = 0x7b
	vector := func(n byte) []byte { return join([]byte{0xfd, 0x0c, n}, make([]byte, 15)) }
	module := assembly{
		types: [][]byte{{0x60, 1, i32, 1, i64}, {0x60, 3, i32, v128, i64, 2, i64, v128}, {0x60, 2, i32, i64, 1, i64}},
		imports: [][]byte{
			join(text("env"), text("f"), []byte{0, 1}), // function 0: () -> (i64)
		},
		imported: 1,
		tables:   [][]byte{{funcref, 0, 12}},
		elements: [][]byte{segment(3, 1, 2, 0, 3, 4, 1, 5)},
		funcs: []function{
			{typ: 1, body: constI64(10)},
			{typ: 1, body: constI64(20)},
			{typ: 3, body: join(localGet(2), localGet(1))}, // function 3: (i32, v128, i64) -> (i64, v128)
			{typ: 4, body: join(localGet(0), []byte{0xac}, localGet(1), []byte{0x7c})},
			// Function 5 counts down through the table, itself among them: place 9.
			{typ: 2, body: join(localGet(0), []byte{0x45, 0x04, 0x40}, constI64(0), []byte{0x0f, 0x0b},
				localGet(0), constI32(1), []byte{0x6b}, constI32(9), []byte{0x11, 2, 0}, constI64(1), []byte{0x7c})},
			{typ: 2, body: callAt(0, 1)}, // f5: () -> (i64) at a place
			{typ: 1, body: join(constI32(5), vector(7), constI64(30), constI32(6), []byte{0x11, 3, 0}, []byte{0xfd, 0x1d, 0}, []byte{0x7c})}, // f6
			{typ: 1, body: join(constI32(5), constI64(1<<40), constI32(7), []byte{0x11, 4, 0})},                                              // f7
			{typ: 2, body: join(localGet(0), constI32(9), []byte{0x11, 2, 0})},                                                               // f8
			{typ: 1, body: join(constI32(3), []byte{0x11, 0, 0}, constI64(1))},                                                               // f9: () -> () is called, () -> (i64) is there
		},
	}
	h := newHost(t, wazero.NewRuntimeConfig())
	_, err := h.runtime.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func() int64 { return 42 }).Export("f").Instantiate(h.ctx)
	must(t, err)
	mod := bound(t, h, module.encode())
	for range 2 {
		for place, want := range map[uint64]uint64{3: 10, 4: 20, 5: 42, 8: 10} {
			if got := call(t, mod, "f5", place); got != want {
				t.Errorf("place %d returns %d, want %d", place, got, want)
			}
		}
		for name, want := range map[string]uint64{"f6": 37, "f7": 1<<40 + 5} {
			if got := call(t, mod, name); got != want {
				t.Errorf("%s returns %d, want %d", name, got, want)
			}
		}
		if got := call(t, mod, "f8", 1000); got != 1000 {
			t.Errorf("counting down 1000 returns %d", got)
		}
		for place, want := range map[uint64]string{0: "invalid table access", 2: "invalid table access", 10: "invalid table access", 12: "invalid table access",
			1 << 31: "invalid table access", 6: "indirect call type mismatch", 7: "indirect call type mismatch", 9: "indirect call type mismatch"} {
			if _, err := mod.ExportedFunction("f5").Call(h.ctx, place); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("place %d: %v, want %s", place, err, want)
			}
		}
		if _, err := mod.ExportedFunction("f9").Call(h.ctx); err == nil || !strings.Contains(err.Error(), "indirect call type mismatch") {
			t.Errorf("another type: %v", err)
		}
	}
	if got := mod.ExportedGlobal(instrument.Touched).Get(); got != 0 {
		t.Error("binding counts as a change that a snapshot can't have")
	}
}

// TestBoundMany: a table of several pages, whose last is not full, and each instance has its own.
func TestBoundMany(t *testing.T) {
	const n = 3*256 + 17
	module := assembly{tables: [][]byte{join([]byte{funcref, 0}, uleb(n+1))}, types: [][]byte{{0x60, 1, i32, 1, i64}}}
	list := join([]byte{0}, constI32(1), []byte{0x0b}, uleb(n))
	for i := range n {
		list = join(list, uleb(uint64(i+1)))
	}
	module.elements = [][]byte{list}
	module.funcs = append(module.funcs, function{typ: 2, body: callAt(0, 1)})
	for i := range n {
		module.funcs = append(module.funcs, function{typ: 1, body: constI64(int64(i))})
	}
	h := newHost(t, wazero.NewRuntimeConfig())
	encoded := module.encode()
	for range 2 {
		mod := bound(t, h, encoded)
		for i := n; i > 0; i-- {
			if got := call(t, mod, "f0", uint64(i)); got != uint64(i-1) {
				t.Fatalf("place %d returns %d", i, got)
			}
		}
	}
}

// TestNotBound: where the table can be seen in another way than by calling what is in it, it is filled from the start.
func TestNotBound(t *testing.T) {
	simple := func() assembly {
		return assembly{
			types:  [][]byte{{0x60, 1, i32, 1, i64}},
			tables: [][]byte{{funcref, 0, 4}}, elements: [][]byte{segment(1, 1)},
			funcs: []function{{typ: 2, body: callAt(0, 1)}, {typ: 1, body: constI64(7)}, {}},
		}
	}
	body := func(b ...[]byte) func(*assembly) { return func(a *assembly) { a.funcs[2].body = join(b...) } }
	null := []byte{0xd0, funcref}
	for name, change := range map[string]func(*assembly){
		"a start function":  func(a *assembly) { a.start = 3 },
		"an exported table": func(a *assembly) { a.exports = [][]byte{join(text("table"), []byte{1, 0})} },
		"two tables":        func(a *assembly) { a.tables = append(a.tables, []byte{funcref, 0, 1}) },
		"two segments":      func(a *assembly) { a.elements = append(a.elements, segment(2, 1)) },
		"another form":      func(a *assembly) { a.elements[0] = join([]byte{2, 0}, constI32(1), []byte{0x0b, 0, 1, 1}) },
		"expressions":       func(a *assembly) { a.elements[0] = join([]byte{4}, constI32(1), []byte{0x0b, 1, 0xd2, 1, 0x0b}) },
		"table.get":         body(constI32(1), []byte{0x25, 0, 0x1a}),
		"table.set":         body(constI32(1), null, []byte{0x26, 0}),
		"table.grow":        body(null, constI32(1), misc(15, 0), []byte{0x1a}),
		"table.fill":        body(constI32(1), null, constI32(0), misc(17, 0)),
		"table.init":        body(constI32(0), constI32(0), constI32(0), misc(12, 0, 0)),
		"table.copy":        body(constI32(0), constI32(0), constI32(0), misc(14, 0, 0)),
	} {
		t.Run(name, func(t *testing.T) {
			a := simple()
			change(&a)
			h := newHost(t, wazero.NewRuntimeConfig())
			mod, err := h.assemble(split(t, a.encode()), wazero.NewModuleConfig().WithName(""))
			must(t, err)
			if mod.ExportedFunction(instrument.Prepare) != nil {
				t.Error("its functions are bound late")
			}
			if got := call(t, mod, "f0", 1); got != 7 {
				t.Errorf("it returns %d", got)
			}
		})
	}
	t.Run("a segment that does not fit", func(t *testing.T) {
		a := simple()
		bound(t, newHost(t, wazero.NewRuntimeConfig()), a.encode())
		a.elements[0] = segment(4, 1)
		h := newHost(t, wazero.NewRuntimeConfig())
		mod, err := h.assemble(split(t, a.encode()), wazero.NewModuleConfig().WithName(""))
		must(t, err) // wazero takes it, and leaves the table as it is
		if _, err := mod.ExportedFunction("f0").Call(h.ctx, 1); err == nil {
			t.Error("there is something in the table")
		}
	})
}

// TestBoundNames: what is new is to be told from the guest's own functions in a stack.
func TestBoundNames(t *testing.T) {
	module := assembly{
		types:  [][]byte{{0x60, 1, i32, 1, i64}},
		tables: [][]byte{{funcref, 0, 4}}, elements: [][]byte{segment(1, 1)},
		funcs:   []function{{typ: 2, body: callAt(0, 1)}, {typ: 1, body: []byte{0}}},
		customs: [][]byte{join(text("name"), []byte{1}, sized(uleb(2), uleb(0), text("caller"), uleb(1), text("callee")))},
	}.encode()
	mod := bound(t, newHost(t, wazero.NewRuntimeConfig()), module)
	for _, want := range []string{".callee() i64\n\t.provisor_fuel.stub() i64\n\t.caller(i32) i64", ".callee() i64\n\t.caller(i32) i64"} {
		_, err := mod.ExportedFunction("f0").Call(t.Context(), 1)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the stack is %v, want %s", err, want)
		}
	}
}
