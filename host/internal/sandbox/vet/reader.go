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

// leb skips a number of at most that many bytes and returns its bits, as of an unsigned one.
func (r *reader) leb(most int) uint64 {
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 || n > most {
		r.fail("there is a broken number")
		return 0
	}
	r.at += n
	return v
}

func (r *reader) u32() uint32 {
	v := r.leb(5)
	if v > math.MaxUint32 {
		r.fail("there is a broken number")
		return 0
	}
	return uint32(v)
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
func (r *reader) limits() (least uint32, most uint64) {
	switch kind := r.byte(); kind {
	case 0:
		return r.u32(), noMaximum
	case 1:
		return r.u32(), uint64(r.u32())
	default:
		r.fail("there are limits of the unknown kind %d", kind)
		return 0, 0
	}
}

// vector reads a vector and returns its length. Each entry has a byte at least, so that a count that is larger than
// what is left is a lie.
func (r *reader) vector(most uint32, entry func(*reader)) uint32 {
	n := r.u32()
	if n > most {
		r.fail("it has %d entries, the limit is %d", n, most)
		return 0
	}
	if uint64(n) > uint64(r.left()) {
		r.fail("%d entries are announced, %d bytes are left", n, r.left())
		return 0
	}
	for range n {
		if entry(r); r.err != nil {
			return 0
		}
	}
	return n
}

func appendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }
