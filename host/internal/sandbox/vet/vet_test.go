package vet

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"

	"github.com/provisor/provisor/host/internal/wasmtest"
)

// count is a number in LEB128 that announces far more than follows.
var count = wasmtest.Leb(1<<32 - 1)

func module(sections ...[]byte) []byte {
	return append(wasmtest.Header(), slices.Concat(sections...)...)
}

func section(id byte, content ...[]byte) []byte {
	return wasmtest.Section(id, slices.Concat(content...))
}

func TestModuleRefuses(t *testing.T) {
	vector, leb := wasmtest.Vector, wasmtest.Leb
	offset := append(wasmtest.I32Const(0), 0x0b)
	tests := map[string]struct {
		module []byte
		want   string
	}{
		"nothing":                      {nil, "not a WebAssembly binary module"},
		"text":                         {[]byte("(module)"), "not a WebAssembly binary module"},
		"a section's id alone":         {module([]byte{1}), "cut short at byte 9"},
		"a section that is cut":        {module([]byte{1, 5, 0}), "cut short at byte 11"},
		"an endless length":            {module([]byte{1}, bytes.Repeat([]byte{0x80}, 20)), "cut short"},
		"an unknown section":           {module(section(13)), "unknown kind 13"},
		"sections out of order":        {module(section(3, vector()), section(1, vector())), "the type section is out of order"},
		"a section twice":              {module(section(1, vector()), section(1, vector())), "the type section is out of order"},
		"a data count after the code":  {module(section(10, vector()), section(12, leb(0))), "the data count section is out of order"},
		"bytes at a section's end":     {module(section(1, vector(), []byte{0})), "1 bytes are left over"},
		"a custom section, unnamed":    {module(section(0)), "there is a broken number"},
		"a custom section, name cut":   {module(section(0, leb(9), []byte("x"))), "9 bytes are announced, 1 are left"},
		"types beyond the bytes":       {module(section(1, leb(1000), []byte{0x60})), "the type section: 1000 entries are announced, 1 bytes are left"},
		"types without end":            {module(section(1, count)), "there are 4294967295 entries, the limit is 20000"},
		"parameters without end":       {module(section(1, leb(1), []byte{0x60}, count)), "the limit is 1000"},
		"parameters beyond the bytes":  {module(section(1, leb(1), []byte{0x60}, leb(999))), "999 entries are announced"},
		"too many parameters in all":   {module(section(1, leb(201), bytes.Repeat(slices.Concat([]byte{0x60}, leb(1000), bytes.Repeat([]byte{0x7f}, 1000), leb(0)), 201))), "more than 200000 parameters"},
		"a type of another kind":       {module(section(1, vector([]byte{0x5e}))), "not one of a function"},
		"a value type of the future":   {module(section(1, vector([]byte{0x60, 1, 0x69, 0}))), "0x69 is no value type"},
		"imports without end":          {module(section(2, count)), "the import section: there are 4294967295 entries"},
		"an import's name without end": {module(section(2, leb(1), count)), "a name has 4294967295 bytes, the limit is 65536"},
		"an import's name beyond":      {module(section(2, leb(1), leb(60_000))), "60000 bytes are announced, 0 are left"},
		"an import's name not UTF-8":   {module(section(2, leb(1), leb(1), []byte{0xff, 0, 0, 0})), "not UTF-8"},
		"an imported table":            {module(section(2, vector(slices.Concat(wasmtest.Name("host"), wasmtest.Name("t"), []byte{1, 0x70, 0, 1})))), "it imports the table host.t"},
		"an import of unknown kind":    {module(section(2, vector(slices.Concat(wasmtest.Name("host"), wasmtest.Name("t"), []byte{4, 0})))), "of the unknown kind 4"},
		"functions without end":        {module(section(3, count)), "the limit is 1000000"},
		"tables without end":           {module(section(4, count)), "the limit is 16"},
		"a table without end":          {module(section(4, vector(slices.Concat([]byte{0x70, 0}, leb(1<<27))))), "the tables have 134217728 entries, the limit is 1048576"},
		"large tables together":        {module(section(4, vector(slices.Concat([]byte{0x70, 0}, leb(600_000)), slices.Concat([]byte{0x70, 0}, leb(600_000))))), "the tables have 1200000 entries"},
		"a table with an expression":   {module(section(4, vector([]byte{0x40, 0, 0x70, 0, 0}))), "a table of the unknown kind 0x40"},
		"two memories":                 {module(section(5, vector([]byte{0, 1}, []byte{0, 1}))), "the limit is 1"},
		"a shared memory":              {module(section(5, vector([]byte{3, 1, 1}))), "unknown kind 3"},
		"globals without end":          {module(section(6, count)), "the limit is 10000"},
		"a global without value":       {module(section(6, vector([]byte{0x7f, 0}))), "it is cut short"},
		"a global that calls":          {module(section(6, vector([]byte{0x7f, 0, 0x10, 0, 0x0b}))), "0x10 does not belong into a constant"},
		"a global with a broken i32":   {module(section(6, vector(slices.Concat([]byte{0x7f, 0, 0x41}, bytes.Repeat([]byte{0x80}, 6), []byte{0, 0x0b})))), "broken number"},
		"exports without end":          {module(section(7, count)), "the limit is 100000"},
		"an export's name without end": {module(section(7, leb(1), count)), "a name has 4294967295 bytes"},
		"a start function":             {module(section(8, leb(0))), "_initialize"},
		"segments without end":         {module(section(9, count)), "the limit is 100000"},
		"elements without end":         {module(section(9, leb(1), leb(0), offset, count)), "the limit is 1048576"},
		"elements beyond the bytes":    {module(section(9, leb(1), leb(0), offset, leb(1000))), "1000 entries are announced"},
		"expressions beyond the bytes": {module(section(9, leb(1), leb(5), []byte{0x70}, leb(1000))), "1000 entries are announced"},
		"elements of unknown kind":     {module(section(9, leb(1), leb(8))), "unknown kind 8"},
		"bodies without end":           {module(section(10, count)), "the limit is 1000000"},
		"a body without end":           {module(section(10, leb(1), count)), "a function has 4294967295 bytes, the limit is 7654321"},
		"a body beyond the bytes":      {module(section(10, leb(1), leb(1000), leb(0))), "1000 bytes are announced"},
		"locals without end":           {module(section(10, vector(wasmtest.Section(0, slices.Concat(leb(1), count, []byte{0x7f, 0x0b}))[1:]))), "a function has 4294967295 locals, the limit is 50000"},
		"locals without end in pieces": {module(section(10, vector(wasmtest.Section(0, slices.Concat(leb(2), leb(30_000), []byte{0x7f}, leb(30_000), []byte{0x7f, 0x0b}))[1:]))), "a function has 60000 locals"},
		"kinds of locals without end":  {module(section(10, vector(wasmtest.Section(0, count)[1:]))), "the limit is 50000"},
		"data segments without end":    {module(section(11, count)), "the limit is 100000"},
		"data without end":             {module(section(11, leb(1), leb(1), count)), "4294967295 bytes are announced, 0 are left"},
		"data of unknown kind":         {module(section(11, leb(1), leb(3))), "unknown kind 3"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Module(test.module, "host")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// Everything that the specification's version 2 allows, once.
func TestModuleTakes(t *testing.T) {
	vector, leb := wasmtest.Vector, wasmtest.Leb
	constants := [][]byte{
		{0x7f, 0, 0x41, 0x80, 0x80, 0x80, 0x80, 0x78, 0x0b},                                // i32, the smallest
		{0x7e, 0, 0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f, 0x0b},  // i64, the smallest
		{0x7d, 0, 0x43, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b},                                      // f32
		{0x7c, 0, 0x44, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b},              // f64
		{0x7b, 0, 0xfd, 12, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x0b},    // v128
		{0x70, 0, 0xd0, 0x70, 0x0b}, {0x6f, 0, 0xd0, 0x6f, 0x0b}, {0x70, 0, 0xd2, 0, 0x0b}, // references
	}
	offset := append(wasmtest.I32Const(0), 0x0b)
	elements := [][]byte{
		slices.Concat(leb(0), offset, vector(leb(0))),
		slices.Concat(leb(1), []byte{0}, vector(leb(0))),
		slices.Concat(leb(2), leb(0), offset, []byte{0}, vector(leb(0))),
		slices.Concat(leb(3), []byte{0}, vector(leb(0))),
		slices.Concat(leb(4), offset, vector([]byte{0xd2, 0, 0x0b})),
		slices.Concat(leb(5), []byte{0x70}, vector([]byte{0xd0, 0x70, 0x0b})),
		slices.Concat(leb(6), leb(0), offset, []byte{0x70}, vector([]byte{0xd2, 0, 0x0b})),
		slices.Concat(leb(7), []byte{0x70}, vector([]byte{0xd2, 0, 0x0b})),
	}
	data := [][]byte{slices.Concat(leb(0), offset, leb(1), []byte("a")), slices.Concat(leb(1), leb(0)), slices.Concat(leb(2), leb(0), offset, leb(1), []byte("b"))}
	m := module(
		section(0, wasmtest.Name("producers"), []byte("anything")),
		section(1, vector([]byte{0x60, 0, 0}, []byte{0x60, 7, 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f, 1, 0x7f})),
		section(2, vector(slices.Concat(wasmtest.Name("host"), wasmtest.Name("f"), []byte{0, 0}))),
		section(3, []byte{1, 0x80, 0x80, 0x00}), // padded, as linkers do
		section(4, vector([]byte{0x70, 0, 1}, []byte{0x6f, 1, 1, 2})),
		section(5, vector([]byte{1, 1, 2})),
		section(6, vector(constants...)),
		section(7, vector(slices.Concat(wasmtest.Name("f"), []byte{0, 1}))),
		section(9, vector(elements...)),
		section(12, leb(3)),
		section(10, vector(wasmtest.Section(0, slices.Concat(leb(1), leb(3), []byte{0x7b, 0x0b}))[1:])),
		section(11, vector(data...)),
	)
	out, err := Module(m, "host")
	if err != nil {
		t.Fatal(err)
	}
	compileWithWazero(t, m)
	compileWithWazero(t, out)
}

func compileWithWazero(t *testing.T, m []byte) {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(t.Context())
	if _, err := r.CompileModule(t.Context(), m); err != nil {
		t.Error(err)
	}
}

func TestTablesGetAMaximum(t *testing.T) {
	tests := map[string]struct{ tables, want [][]byte }{
		"without":       {[][]byte{{0x70, 0, 5}}, [][]byte{slices.Concat([]byte{0x70, 1, 5}, wasmtest.Leb(1<<20))}},
		"too large":     {[][]byte{slices.Concat([]byte{0x70, 1, 5}, count)}, [][]byte{slices.Concat([]byte{0x70, 1, 5}, wasmtest.Leb(1<<20))}},
		"small enough":  {[][]byte{{0x70, 1, 5, 6}}, [][]byte{{0x70, 1, 5, 6}}},
		"they share it": {[][]byte{{0x70, 0, 5}, {0x6f, 0, 6}}, [][]byte{slices.Concat([]byte{0x70, 1, 5}, wasmtest.Leb(1<<19)), slices.Concat([]byte{0x6f, 1, 6}, wasmtest.Leb(1<<19))}},
		"a large one":   {[][]byte{slices.Concat([]byte{0x70, 0}, wasmtest.Leb(1<<19+1)), {0x70, 0, 0}}, [][]byte{slices.Concat([]byte{0x70, 1}, wasmtest.Leb(1<<19+1), wasmtest.Leb(1<<19+1)), slices.Concat([]byte{0x70, 1, 0}, wasmtest.Leb(1<<19))}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Module(module(section(4, wasmtest.Vector(test.tables...))))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(module(section(4, wasmtest.Vector(test.want...))), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Names of functions explain a trap. No other custom section is for the compiler, and none can make a module invalid.
func TestCustomSections(t *testing.T) {
	name := wasmtest.Name("name")
	functions := append([]byte{1}, wasmtest.Section(0, wasmtest.Vector(append(wasmtest.Leb(0), wasmtest.Name("main")...)))[1:]...)
	other := []byte{0, 2, 1, 'm'}
	tests := map[string]struct{ in, want []byte }{
		"names of functions":     {section(0, name, functions), section(0, name, functions)},
		"other names":            {section(0, name, other, functions), section(0, name, functions)},
		"names twice":            {slices.Concat(section(0, name, functions), section(0, name, functions)), section(0, name, functions)},
		"another section":        {section(0, wasmtest.Name(".debug_info"), []byte("x")), nil},
		"names beyond the bytes": {section(0, name, []byte{1, 3}, wasmtest.Leb(1000)), nil},
		"names without end":      {section(0, name, []byte{1, 5}, count), nil},
		"a name without end":     {section(0, name, []byte{1, 7, 1, 0}, count), nil},
		"a part without end":     {section(0, name, []byte{1}, count), nil},
	}
	for kind, test := range tests {
		t.Run(kind, func(t *testing.T) {
			got, err := Module(module(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(module(test.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzModule(f *testing.F) {
	p := wasmtest.NewPlugin()
	p.Table(wasmtest.AtLeast(3))
	p.Elements(0, 0, 1)
	p.Custom("name", []byte{0, 2, 1, 'm'})
	f.Add(p.Handled(p.Respond("seed"), wasmtest.Loop(wasmtest.Br(0))))
	f.Add(module(section(9, count)))
	f.Add(module(section(1, wasmtest.Leb(1), []byte{0x60}, count)))
	f.Add(module(section(10, wasmtest.Vector(wasmtest.Section(0, slices.Concat(wasmtest.Leb(1), count, []byte{0x7f, 0x0b}))[1:]))))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := Module(b, "provisor_v1", "wasi_snapshot_preview1")
		if err != nil {
			return
		}
		again, err := Module(out, "provisor_v1", "wasi_snapshot_preview1")
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("not the same the second time: %v", err)
		}
		// The compiler may find fault with it, but must neither panic nor run out of memory.
		r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
		defer r.Close(t.Context())
		_, _ = r.CompileModule(t.Context(), out)
	})
}
