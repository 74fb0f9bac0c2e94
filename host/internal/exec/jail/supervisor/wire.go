package supervisor

import (
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strconv"
)

// maxMessage is far above what fits into a program's arguments and environment.
const maxMessage = 64 << 20

// Write writes a message, a *Spec or an *Event, for Read at the other end of a control socket. Both are the same program, so that the bytes
// need no names and no versions: the fields come in order.
func Write(w io.Writer, message any) error {
	b := appendValue(make([]byte, 4), reflect.ValueOf(message).Elem())
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	_, err := w.Write(b)
	return err
}

// Read reads a message into where the pointer leads.
func Read(r io.Reader, message any) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxMessage {
		return errors.New("a message of " + strconv.FormatUint(uint64(n), 10) + " bytes")
	}
	d := decoder{rest: make([]byte, n)}
	if _, err := io.ReadFull(r, d.rest); err != nil {
		return err
	}
	d.value(reflect.ValueOf(message).Elem())
	if d.short || len(d.rest) > 0 {
		return errMessage
	}
	return nil
}

var errMessage = errors.New("the message is not one of this program's")

// appendValue writes numbers as varints, a length before what has one, and whether there is something before what a pointer leads to.
func appendValue(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Bool:
		return appendBool(b, v.Bool())
	case reflect.Int, reflect.Int64:
		return binary.AppendVarint(b, v.Int())
	case reflect.Uint8, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return binary.AppendUvarint(b, v.Uint())
	case reflect.String:
		return append(binary.AppendUvarint(b, uint64(v.Len())), v.String()...)
	case reflect.Slice:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return append(b, v.Bytes()...)
		}
		for i := range v.Len() {
			b = appendValue(b, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			b = appendValue(b, v.Field(i))
		}
	case reflect.Pointer:
		b = appendBool(b, !v.IsNil())
		if !v.IsNil() {
			b = appendValue(b, v.Elem())
		}
	default:
		panic("a message has a " + v.Type().String())
	}
	return b
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// decoder reads what appendValue wrote.
type decoder struct {
	rest  []byte
	short bool
}

func (d *decoder) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(d.number() == 1)
	case reflect.Int, reflect.Int64:
		n, size := binary.Varint(d.rest)
		d.took(size)
		v.SetInt(n)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(d.number())
	case reflect.String:
		v.SetString(string(d.bytes()))
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(d.bytes())
			return
		}
		// Each element takes a byte at least.
		n := d.number()
		if n > uint64(len(d.rest)) {
			d.short = true
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), int(n), int(n)))
		for i := range int(n) {
			d.value(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			d.value(v.Field(i))
		}
	case reflect.Pointer:
		if d.number() == 1 {
			v.Set(reflect.New(v.Type().Elem()))
			d.value(v.Elem())
		}
	}
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	d.took(size)
	return n
}

func (d *decoder) bytes() []byte {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.short, n = true, 0
	}
	taken := d.rest[:n:n]
	d.rest = d.rest[n:]
	return taken
}

// took moves on behind a number of that size; without one, the message is too short.
func (d *decoder) took(size int) {
	d.short = d.short || size <= 0
	d.rest = d.rest[max(0, size):]
}
