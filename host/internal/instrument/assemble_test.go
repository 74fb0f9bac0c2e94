package instrument_test

import "encoding/binary"

// An assembly is a module to be encoded: what the tests need of one.
type assembly struct {
	types    [][]byte // beyond types 0, () -> (), and 1, () -> (i64)
	imports  [][]byte
	funcs    []function
	tables   [][]byte
	pages    int // of memory
	maxPages int
	globals  [][]byte
	exports  [][]byte // beyond each function as f0, f1, …, counted without imports, and the memory
	start    int      // a function's number and 1
	elements [][]byte
	data     [][]byte
	customs  [][]byte // at the end
	imported int      // functions
}

// A function has a type, groups of locals and a body without its end.
type function struct {
	typ    byte
	locals []byte // groups, each a count of one byte and a type; nil for none
	body   []byte
}

const (
	typeVoid   = 0
	typeResult = 1 // an i64
	i32, i64   = 0x7f, 0x7e
	funcref    = 0x70
)

func (a assembly) encode() []byte {
	types := append([][]byte{{0x60, 0, 0}, {0x60, 0, 1, i64}}, a.types...)
	var indices, exports, codes [][]byte
	for i, f := range a.funcs {
		indices = append(indices, uleb(uint64(f.typ)))
		exports = append(exports, join(text("f"+string(rune('0'+i))), []byte{0}, uleb(uint64(a.imported+i))))
		body := join(uleb(uint64(len(f.locals)/2)), f.locals, f.body, []byte{0x0b})
		codes = append(codes, join(uleb(uint64(len(body))), body))
	}
	out := join([]byte("\x00asm\x01\x00\x00\x00"), section(1, types), section(2, a.imports), section(3, indices), section(4, a.tables))
	if a.pages > 0 {
		out = append(out, section(5, [][]byte{join([]byte{1}, uleb(uint64(a.pages)), uleb(uint64(max(a.pages, a.maxPages))))})...)
		exports = append(exports, join(text("memory"), []byte{2, 0}))
	}
	out = join(out, section(6, a.globals), section(7, append(exports, a.exports...)))
	if a.start > 0 {
		n := uleb(uint64(a.start - 1))
		out = join(out, []byte{8}, uleb(uint64(len(n))), n)
	}
	out = join(out, section(9, a.elements))
	if len(a.data) > 0 {
		n := uleb(uint64(len(a.data)))
		out = join(out, []byte{12}, uleb(uint64(len(n))), n)
	}
	out = join(out, section(10, codes), section(11, a.data))
	for _, c := range a.customs {
		out = join(out, []byte{0}, uleb(uint64(len(c))), c)
	}
	return out
}

// section encodes a vector, or nothing if it is empty.
func section(id byte, items [][]byte) []byte {
	if len(items) == 0 {
		return nil
	}
	content := join(uleb(uint64(len(items))), join(items...))
	return join([]byte{id}, uleb(uint64(len(content))), content)
}

func text(s string) []byte { return join(uleb(uint64(len(s))), []byte(s)) }

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func uleb(v uint64) []byte { return binary.AppendUvarint(nil, v) }

func sleb(v int64) []byte {
	var b []byte
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// Instructions.
func constI32(v int32) []byte          { return append([]byte{0x41}, sleb(int64(v))...) }
func constI64(v int64) []byte          { return append([]byte{0x42}, sleb(v)...) }
func localGet(i uint64) []byte         { return append([]byte{0x20}, uleb(i)...) }
func localSet(i uint64) []byte         { return append([]byte{0x21}, uleb(i)...) }
func callFunc(i uint64) []byte         { return append([]byte{0x10}, uleb(i)...) }
func br(depth uint64) []byte           { return append([]byte{0x0c}, uleb(depth)...) }
func brIf(depth uint64) []byte         { return append([]byte{0x0d}, uleb(depth)...) }
func block(body ...[]byte) []byte      { return join([]byte{0x02, 0x40}, join(body...), []byte{0x0b}) }
func loop(body ...[]byte) []byte       { return join([]byte{0x03, 0x40}, join(body...), []byte{0x0b}) }
func ifThen(body ...[]byte) []byte     { return join([]byte{0x04, 0x40}, join(body...), []byte{0x0b}) }
func misc(op byte, imm ...byte) []byte { return append([]byte{0xfc, op}, imm...) }
func repeat(n int, body []byte) []byte {
	out := make([]byte, 0, n*len(body))
	for range n {
		out = append(out, body...)
	}
	return out
}
