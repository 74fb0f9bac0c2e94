// Package wasmtest assembles small WebAssembly modules for tests: well-formed ones, plugins that misbehave in one way, and broken
// ones that no compiler would produce.
package wasmtest

import (
	"encoding/binary"
	"slices"
)

// Type is a value type in the binary format's encoding.
type Type byte

// The value types.
const (
	I32     Type = 0x7f
	I64     Type = 0x7e
	F32     Type = 0x7d
	F64     Type = 0x7c
	V128    Type = 0x7b
	FuncRef Type = 0x70
)

// Module is a module that is being assembled. The zero value is an empty one. Imports come before functions.
type Module struct {
	types    [][]byte
	imports  [][]byte
	funcs    []uint32
	tables   [][]byte
	memories [][]byte
	globals  [][]byte
	exports  [][]byte
	start    []byte
	elements [][]byte
	code     [][]byte
	data     [][]byte
	customs  [][]byte
	passive  bool
	imported uint32
}

// The kinds of imports and exports.
const (
	kindFunc   = 0
	kindTable  = 1
	kindMemory = 2
	kindGlobal = 3
)

// ImportFunc imports a function and returns its index.
func (m *Module) ImportFunc(module, name string, params, results []Type) uint32 {
	m.importAny(module, name, append([]byte{kindFunc}, Leb(m.typeIndex(params, results))...))
	m.imported++
	return m.imported - 1
}

// ImportGlobal imports an immutable global.
func (m *Module) ImportGlobal(module, name string, t Type) {
	m.importAny(module, name, []byte{kindGlobal, byte(t), 0})
}

// ImportMemory imports a memory.
func (m *Module) ImportMemory(module, name string, limits []byte) {
	m.importAny(module, name, append([]byte{kindMemory}, limits...))
}

func (m *Module) importAny(module, name string, description []byte) {
	m.imports = append(m.imports, slices.Concat(Name(module), Name(name), description))
}

// Func adds a function and returns its index. Its locals follow its parameters. The body needs no end.
func (m *Module) Func(params, results, locals []Type, body ...[]byte) uint32 {
	m.funcs = append(m.funcs, m.typeIndex(params, results))
	code := Leb(uint32(len(locals)))
	for _, t := range locals {
		code = append(code, 1, byte(t))
	}
	m.RawCode(append(append(code, slices.Concat(body...)...), opEnd))
	return m.imported + uint32(len(m.funcs)) - 1
}

// RawCode adds an entry of the code section, without a function for it: locals and body are in b.
func (m *Module) RawCode(b []byte) { m.code = append(m.code, append(Leb(uint32(len(b))), b...)) }

// Table adds a table of functions and returns its index.
func (m *Module) Table(limits []byte) uint32 {
	m.tables = append(m.tables, append([]byte{byte(FuncRef)}, limits...))
	return uint32(len(m.tables)) - 1
}

// Memory adds a memory, in pages of 64 KiB.
func (m *Module) Memory(limits []byte) { m.memories = append(m.memories, limits) }

// Global adds a mutable global of type i32 and returns its index.
func (m *Module) Global(value int32) uint32 {
	m.globals = append(m.globals, slices.Concat([]byte{byte(I32), 1}, I32Const(value), []byte{opEnd}))
	return uint32(len(m.globals)) - 1
}

// TypedGlobal adds a mutable global of that type, with the instruction that gives its first value.
func (m *Module) TypedGlobal(t Type, value []byte) uint32 {
	m.globals = append(m.globals, slices.Concat([]byte{byte(t), 1}, value, []byte{opEnd}))
	return uint32(len(m.globals)) - 1
}

// ExportFunc exports a function.
func (m *Module) ExportFunc(name string, index uint32) { m.export(name, kindFunc, index) }

// ExportMemory exports the memory.
func (m *Module) ExportMemory(name string) { m.export(name, kindMemory, 0) }

func (m *Module) export(name string, kind byte, index uint32) {
	m.exports = append(m.exports, slices.Concat(Name(name), []byte{kind}, Leb(index)))
}

// Start makes a function the start function.
func (m *Module) Start(index uint32) { m.start = Leb(index) }

// Elements puts functions into table 0, from an offset on.
func (m *Module) Elements(offset int32, funcs ...uint32) {
	e := slices.Concat([]byte{0}, I32Const(offset), []byte{opEnd}, Leb(uint32(len(funcs))))
	for _, f := range funcs {
		e = append(e, Leb(f)...)
	}
	m.elements = append(m.elements, e)
}

// Data puts bytes into the memory.
func (m *Module) Data(offset int32, b []byte) {
	m.data = append(m.data, slices.Concat([]byte{0}, I32Const(offset), []byte{opEnd}, Leb(uint32(len(b))), b))
}

// PassiveData adds bytes that MemoryInit puts into the memory, and returns the segment's index.
func (m *Module) PassiveData(b []byte) uint32 {
	m.passive = true
	m.data = append(m.data, slices.Concat([]byte{1}, Leb(uint32(len(b))), b))
	return uint32(len(m.data)) - 1
}

// Custom adds a custom section to the end.
func (m *Module) Custom(name string, payload []byte) {
	m.customs = append(m.customs, append(Name(name), payload...))
}

// Bytes is the module in the binary format.
func (m *Module) Bytes() []byte {
	out := Header()
	for _, s := range []struct {
		id      byte
		entries [][]byte
	}{
		{1, m.types}, {2, m.imports}, {3, indices(m.funcs)}, {4, m.tables}, {5, m.memories}, {6, m.globals}, {7, m.exports},
	} {
		if len(s.entries) > 0 {
			out = append(out, Section(s.id, Vector(s.entries...))...)
		}
	}
	if m.start != nil {
		out = append(out, Section(8, m.start)...)
	}
	if len(m.elements) > 0 {
		out = append(out, Section(9, Vector(m.elements...))...)
	}
	if m.passive {
		out = append(out, Section(12, Leb(uint32(len(m.data))))...)
	}
	if len(m.code) > 0 {
		out = append(out, Section(10, Vector(m.code...))...)
	}
	if len(m.data) > 0 {
		out = append(out, Section(11, Vector(m.data...))...)
	}
	for _, c := range m.customs {
		out = append(out, Section(0, c)...)
	}
	return out
}

// TypeOf is the number of a function's type.
func (m *Module) TypeOf(params, results []Type) uint32 { return m.typeIndex(params, results) }

func (m *Module) typeIndex(params, results []Type) uint32 {
	t := []byte{0x60}
	for _, list := range [][]Type{params, results} {
		t = append(t, Leb(uint32(len(list)))...)
		for _, v := range list {
			t = append(t, byte(v))
		}
	}
	for i, have := range m.types {
		if slices.Equal(have, t) {
			return uint32(i)
		}
	}
	m.types = append(m.types, t)
	return uint32(len(m.types)) - 1
}

func indices(list []uint32) [][]byte {
	var out [][]byte
	for _, i := range list {
		out = append(out, Leb(i))
	}
	return out
}

// Header is the magic number and the version.
func Header() []byte { return []byte("\x00asm\x01\x00\x00\x00") }

// Section is a section with its size.
func Section(id byte, content []byte) []byte {
	return slices.Concat([]byte{id}, Leb(uint32(len(content))), content)
}

// Vector is the entries behind their number.
func Vector(entries ...[]byte) []byte {
	return append(Leb(uint32(len(entries))), slices.Concat(entries...)...)
}

// Name is a string behind its length.
func Name(s string) []byte { return append(Leb(uint32(len(s))), s...) }

// AtLeast are limits without a maximum.
func AtLeast(least uint32) []byte { return append([]byte{0}, Leb(least)...) }

// Between are limits with a maximum.
func Between(least, most uint32) []byte {
	return slices.Concat([]byte{1}, Leb(least), Leb(most))
}

// Leb is an unsigned number in LEB128.
func Leb(v uint32) []byte { return binary.AppendUvarint(nil, uint64(v)) }

// SignedLeb is a signed number in LEB128.
func SignedLeb(v int64) []byte {
	var out []byte
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
