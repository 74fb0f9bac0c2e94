// Package jsonread reads a JSON text in one pass, where it lies.
//
// It is made for WebAssembly, where calls are what is slow: what nobody needs is passed over by one loop, nothing is copied but the strings that
// are not written as they are, and there are no tokens, callbacks or errors to hand around.
//
//	r := jsonread.New(text)
//	if r.Object() {
//		for name, more := r.Member(); more; name, more = r.Member() {
//			switch name {
//			case "address":
//				address = r.Text()
//			default:
//				r.Skip()
//			}
//		}
//	}
//	r.End()
//	err := r.Err()
//
// The text must be JSON to its last byte, also what is passed over; as in encoding/json, names may come twice, and bytes that are not UTF-8 are
// taken for U+FFFD.
package jsonread

import (
	"fmt"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is how deep objects and arrays may be nested, as in encoding/json.
const maxDepth = 10_000

// Kind says what a value is.
type Kind byte

// The kinds of values. Invalid is none at all, or the end.
const (
	Invalid Kind = 0
	Null    Kind = 'n'
	True    Kind = 't'
	False   Kind = 'f'
	String  Kind = '"'
	Number  Kind = '0'
	Object  Kind = '{'
	Array   Kind = '['
)

// String is the kind with its article: "an array".
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case True, False:
		return "a bool"
	case String:
		return "a string"
	case Number:
		return "a number"
	case Object:
		return "an object"
	case Array:
		return "an array"
	}
	return "no value"
}

// kinds has the kind of a value by its first byte.
var kinds = [256]Kind{
	'n': Null, 't': True, 'f': False, '"': String, '{': Object, '[': Array, '-': Number,
	'0': Number, '1': Number, '2': Number, '3': Number, '4': Number, '5': Number, '6': Number, '7': Number, '8': Number, '9': Number,
}

// Reader reads a text. Its first error sticks, and from then on there is nothing more to read.
type Reader struct {
	data []byte // none after an error
	pos  int
	// fresh: an object or array has just begun, so that no comma comes before what is next.
	fresh bool
	// levels are the objects and arrays that are being read.
	levels []level
	// skipped are those within a value that is passed over.
	skipped []byte
	err     error
}

type level struct {
	kind byte
	// member is the name of the one that is being read, as it is written.
	member string
}

// New returns a reader of a text. It must not change while what is read of it is in use: strings are in the same memory.
func New(text []byte) *Reader { return &Reader{data: text} }

// Reset has r read another text.
func (r *Reader) Reset(text []byte) {
	*r = Reader{data: text, levels: r.levels[:0], skipped: r.skipped[:0]}
}

// Err is the first error.
func (r *Reader) Err() error { return r.err }

// Fail sets the error, unless there is one.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err, r.data, r.pos, r.fresh = err, nil, 0, false
	}
}

// Path names the members around what is read, as a.b.c; arrays are passed over.
func (r *Reader) Path() string {
	var names []string
	for _, l := range r.levels {
		if l.member != "" {
			names = append(names, l.member)
		}
	}
	return strings.Join(names, ".")
}

// unexpected is the error for what stands at i.
func (r *Reader) unexpected(i int) {
	if i >= len(r.data) {
		r.Fail(fmt.Errorf("byte %d: it ends too early", len(r.data)))
		return
	}
	c, _ := utf8.DecodeRune(r.data[i:])
	r.Fail(fmt.Errorf("byte %d: unexpected %q", i, c))
}

func (r *Reader) tooDeep(i int) {
	r.Fail(fmt.Errorf("byte %d: more than %d levels", i, maxDepth))
}

// next goes to the next byte that is no white space, and returns it; 0 = the end.
func (r *Reader) next() byte {
	i := r.pos
	for ; i < len(r.data); i++ {
		if c := r.data[i]; !isSpace(c) {
			r.pos = i
			return c
		}
	}
	r.pos = i
	return 0
}

func isSpace(c byte) bool { return c <= ' ' && (c == ' ' || c == '\n' || c == '\t' || c == '\r') }

// Kind is the kind of the value that comes next. It says nothing about whether the value is whole.
func (r *Reader) Kind() Kind { return kinds[r.next()] }

// Object begins to read an object. It is false, and an error, if something else comes.
func (r *Reader) Object() bool { return r.begin('{') }

// Array begins to read an array. It is false, and an error, if something else comes.
func (r *Reader) Array() bool { return r.begin('[') }

func (r *Reader) begin(kind byte) bool {
	switch {
	case r.next() != kind:
		r.unexpected(r.pos)
		return false
	case len(r.levels) >= maxDepth:
		r.tooDeep(r.pos)
		return false
	}
	r.levels = append(r.levels, level{kind: kind})
	r.pos++
	r.fresh = true
	return true
}

// Element goes to the next element of the array; false = there is no more, and the array is read. The element must be read or skipped.
func (r *Reader) Element() bool { return r.more(']') }

// Member goes to the next member of the object and returns its name; false = there is no more, and the object is read. The member's value must be
// read or skipped.
func (r *Reader) Member() (name string, more bool) {
	if !r.more('}') {
		return "", false
	}
	if r.next() != '"' {
		r.unexpected(r.pos)
		return "", false
	}
	from := r.pos + 1
	end, escaped := stringEnd(r.data, from)
	if end < 0 {
		r.unexpected(^end)
		return "", false
	}
	r.pos = end
	if r.next() != ':' {
		r.unexpected(r.pos)
		return "", false
	}
	r.pos++
	name = r.text(from, end-1)
	r.levels[len(r.levels)-1].member = name
	if escaped {
		name = unquote(r.data[from-1 : end])
	}
	return name, true
}

// more takes the comma before what comes next, or the end.
func (r *Reader) more(end byte) bool {
	c := r.next()
	switch {
	case c == end:
		r.pos++
		r.fresh = false
		r.levels = r.levels[:len(r.levels)-1]
		return false
	case r.fresh:
		r.fresh = false
		return true
	case c == ',':
		r.pos++
		return true
	}
	r.unexpected(r.pos)
	return false
}

// Text is the string that comes next; an error if something else comes.
func (r *Reader) Text() string {
	if r.next() != '"' {
		r.unexpected(r.pos)
		return ""
	}
	from := r.pos + 1
	end, escaped := stringEnd(r.data, from)
	if end < 0 {
		r.unexpected(^end)
		return ""
	}
	r.pos = end
	if escaped {
		return unquote(r.data[from-1 : end])
	}
	return r.text(from, end-1)
}

// text is a part of the text, without a copy.
func (r *Reader) text(from, to int) string {
	return unsafe.String(unsafe.SliceData(r.data[from:to]), to-from)
}

// unquote is what a string says that is not as it is written.
func unquote(quoted []byte) string {
	text, _ := jsontext.AppendUnquote(nil, quoted) // the error is about what is no UTF-8, and replaced
	return string(text)
}

// Raw is the value that comes next as it stands, without a copy.
func (r *Reader) Raw() []byte {
	r.next()
	from := r.pos
	r.Skip()
	if r.err != nil {
		return nil
	}
	return r.data[from:r.pos:r.pos]
}

// End says that nothing but white space may come any more.
func (r *Reader) End() {
	if r.next(); r.err == nil && r.pos < len(r.data) {
		r.Fail(fmt.Errorf("byte %d: more comes after the end", r.pos))
	}
}
