package vet

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// reader reads a part of a module. After its first error it gives zeroes, so that only the end of a loop has to look.
type reader struct {
	b   []byte
	at  int
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.at = len(r.b)
}

func (r *reader) done() bool { return r.at >= len(r.b) }

// end fails if something is left.
func (r *reader) end() {
	if r.err == nil && !r.done() {
		r.fail("%d bytes are left over", r.left())
	}
}

func (r *reader) left() int { return len(r.b) - r.at }

func (r *reader) byte() byte {
	if r.done() {
		r.fail("it is cut short")
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *reader) skip(n int) {
	if n > r.left() {
		r.fail("it is cut short")
		return
	}
	r.at += n
}

// sub is a reader of the next n bytes, which this reader skips.
func (r *reader) sub(n uint32) *reader {
	if uint64(n) > uint64(r.left()) {
		r.fail("%d bytes are announced, %d are left", n, r.left())
		return &reader{}
	}
	r.at += int(n)
	return &reader{b: r.b[r.at-int(n) : r.at]}
}

func (r *reader) u32() uint32 {
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 || n > 5 || v > math.MaxUint32 {
		r.fail("there is a broken number")
		return 0
	}
	r.at += n
	return uint32(v)
}

// skipSigned skips a signed number of at most that many bytes.
func (r *reader) skipSigned(most int) {
	for range most {
		if r.byte() < 0x80 {
			return
		}
	}
	r.fail("there is a broken number")
}

func (r *reader) skipU32() { r.u32() }

func (r *reader) name() string {
	n := r.u32()
	if n > maxNameBytes {
		r.fail("a name has %d bytes, the limit is %d", n, maxNameBytes)
	}
	s := r.sub(n)
	if !utf8.Valid(s.b) {
		r.fail("a name is not UTF-8")
	}
	return string(s.b)
}

// limits are those of a table or a memory.
func (r *reader) limits() (least, most uint64) {
	switch kind := r.byte(); kind {
	case 0:
		return uint64(r.u32()), math.MaxUint32
	case 1:
		return uint64(r.u32()), uint64(r.u32())
	default:
		r.fail("there are limits of the unknown kind %d", kind)
		return 0, 0
	}
}

// vector reads a vector and returns its length. Each entry has a byte at least, so that a count that is larger than
// what is left is a lie.
func (r *reader) vector(most int, entry func(*reader)) int {
	n := int64(r.u32())
	if n > int64(most) {
		r.fail("there are %d entries, the limit is %d", n, most)
		return 0
	}
	if n > int64(r.left()) {
		r.fail("%d entries are announced, %d bytes are left", n, r.left())
		return 0
	}
	for range n {
		if entry(r); r.err != nil {
			return 0
		}
	}
	return int(n)
}

// valueType takes the types of version 2 of the specification.
func (r *reader) valueType() {
	switch t := r.byte(); t {
	case 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f:
	default:
		r.fail("%#x is no value type", t)
	}
}

// constant reads a constant expression.
func (r *reader) constant() {
	for r.err == nil {
		switch op := r.byte(); op {
		case 0x0b: // end
			return
		case 0x41: // i32.const
			r.skipSigned(5)
		case 0x42: // i64.const
			r.skipSigned(10)
		case 0x23, 0xd2: // global.get, ref.func
			r.u32()
		case 0x43: // f32.const
			r.skip(4)
		case 0x44: // f64.const
			r.skip(8)
		case 0xd0: // ref.null
			r.valueType()
		case 0xfd: // v128.const
			if r.u32() != 12 {
				r.fail("there is a vector instruction in a constant")
			}
			r.skip(16)
		default:
			r.fail("the instruction %#x does not belong into a constant", op)
		}
	}
}

func appendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }
