package instrument

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

var (
	errEnd      = errors.New("unexpected end")
	errOverflow = errors.New("number too long")
)

// A reader reads a part of the module. Its first error stays, and every reading after it gives zeros.
type reader struct {
	data []byte
	pos  int
	base int // where data lies in the module, for errors
	err  error
}

func (r *reader) more() bool { return r.err == nil && r.pos < len(r.data) }

func (r *reader) left() int { return len(r.data) - r.pos }

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = fmt.Errorf("at byte %#x: %w", r.base+r.pos, err)
		r.pos = len(r.data)
	}
}

func (r *reader) failf(format string, args ...any) { r.fail(fmt.Errorf(format, args...)) }

func (r *reader) byte() byte {
	if r.pos >= len(r.data) {
		r.fail(errEnd)
		return 0
	}
	b := r.data[r.pos]
	r.pos++
	return b
}

// peek is the next byte, which stays; 0 at the end.
func (r *reader) peek() byte {
	if !r.more() {
		return 0
	}
	return r.data[r.pos]
}

func (r *reader) bytes(n int) []byte {
	if n > r.left() {
		r.fail(errEnd)
		return nil
	}
	b := r.data[r.pos : r.pos+n]
	r.pos += n
	return b
}

// sub is a reader of the next n bytes.
func (r *reader) sub(n uint32) *reader {
	base := r.base + r.pos
	if int64(n) > int64(r.left()) {
		r.fail(errEnd)
		return &reader{err: r.err}
	}
	return &reader{data: r.bytes(int(n)), base: base}
}

// u32 reads a number without sign, in LEB128.
func (r *reader) u32() uint32 {
	if r.pos < len(r.data) && r.data[r.pos] < 0x80 { // nearly all are this short
		r.pos++
		return uint32(r.data[r.pos-1])
	}
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		if shift == 28 && b > 0x0f {
			break
		}
		v |= uint32(b&0x7f) << shift
		if r.err != nil {
			return 0
		}
		if b < 0x80 {
			return v
		}
	}
	r.fail(errOverflow)
	return 0
}

// count reads the length of a vector whose items take at least size bytes each, so that nobody allocates for what is not
// there.
func (r *reader) count(size int) uint32 {
	n := r.u32()
	if int64(n)*int64(size) > int64(r.left()) {
		r.failf("a vector of %d items in %d bytes", n, r.left())
		return 0
	}
	return n
}

// signed reads a number of that many bits with a sign, in LEB128.
func (r *reader) signed(bits int) int64 {
	var v int64
	for shift := 0; shift < bits; shift += 7 {
		b := r.byte()
		v |= int64(b&0x7f) << shift
		if r.err != nil {
			return 0
		}
		if b >= 0x80 {
			continue
		}
		if unused := shift + 7 - bits; unused > 0 { // the bits past the number repeat its sign
			if top := int8(b<<1) >> (7 - unused); top != 0 && top != -1 {
				break
			}
		}
		if shift+7 < 64 && b&0x40 != 0 {
			v |= -1 << (shift + 7)
		}
		return v
	}
	r.fail(errOverflow)
	return 0
}

// name reads a text.
func (r *reader) name() []byte {
	b := r.bytes(int(r.count(1)))
	if !utf8.Valid(b) {
		r.failf("a name that is not UTF-8")
	}
	return b
}

// done fails if there is more to read.
func (r *reader) done() {
	if r.more() {
		r.failf("%d bytes too many", r.left())
	}
}

// appendU32 appends a number in LEB128.
func appendU32(b []byte, v uint32) []byte {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

// appendS64 appends a number with a sign in LEB128.
func appendS64(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
