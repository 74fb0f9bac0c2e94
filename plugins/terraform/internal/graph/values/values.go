// Package values reads a resource's attributes as the engine's JSON shows them.
//
// A value that is null or absent is the zero value: a plan leaves out what it does not know yet. Scalars convert as the
// engine itself converts them (a number for a string, "5" for 5), numbers are cut off at the range of their field. Anything
// else, a list in place of a name for instance, is an error that names the resource and the attribute but never the
// value, which may be a secret.
package values

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/provisor/provisor/plugins/terraform/internal/jsonread"
)

// Object is a resource's attributes, or those of a block in it. Its first error sticks: read everything, then ask Err.
// The zero value is an object without attributes.
type Object struct{ *object } // one word, since WebAssembly is slow to copy more than two

type object struct {
	attributes []attribute
	path       string // of the block in its resource, "" or ending in a dot
	state      *state
}

// attribute is a member of an object: its value is decoded when somebody asks for it.
type attribute struct {
	name  string
	value json.RawMessage
}

type state struct {
	address string
	err     error
}

// Parse reads the attributes of the resource at address; raw is a JSON object, null or nothing.
func Parse(address string, raw json.RawMessage) Object {
	made := &struct {
		object object
		state  state
	}{state: state{address: address}}
	o := Object{&made.object}
	o.state = &made.state
	if len(raw) == 0 {
		return o
	}
	r := jsonread.New(raw)
	null := r.Kind() == jsonread.Null
	if null {
		r.Skip()
	} else {
		o.attributes = members(r)
	}
	if r.Err() != nil {
		o.attributes = nil
		o.state.err = fmt.Errorf("%s: the values are not a JSON object", address)
	}
	return o
}

// members are those of the object that comes next, if one does.
func members(r *jsonread.Reader) []attribute {
	list := make([]attribute, 0, 16)
	if r.Object() {
		for name, more := r.Member(); more; name, more = r.Member() {
			list = append(list, attribute{name, r.Raw()})
		}
	}
	return list
}

// decode is the value that comes next: nil, a bool, a string, a json.Number as it is written, since large ones must not go through a float64,
// or the parts of an array or object, which are not decoded yet.
func decode(r *jsonread.Reader) any {
	switch r.Kind() {
	case jsonread.Object:
		return members(r)
	case jsonread.Array:
		list := []json.RawMessage{}
		if r.Array() {
			for r.Element() {
				list = append(list, r.Raw())
			}
		}
		return list
	case jsonread.String:
		return r.Text()
	case jsonread.Number:
		return json.Number(r.Raw())
	case jsonread.True, jsonread.False:
		return string(r.Raw()) == "true"
	}
	r.Skip()
	return nil
}

// Err is the first error of reading o, or of any block of it.
func (o Object) Err() error {
	if o.object == nil {
		return nil
	}
	return o.state.err
}

// Has says whether the attribute is there at all, if only as a null.
func (o Object) Has(name string) bool {
	return o.find(name) != nil
}

// String is the attribute as text.
func (o Object) String(name string) string {
	raw := o.find(name)
	if len(raw) > 0 && raw[0] == '"' { // nearly always
		return jsonread.New(raw).Text()
	}
	v := decoded(raw)
	s, ok := text(v)
	if !ok {
		o.fail(name, "a string", v)
	}
	return s
}

// Bool is the attribute as a truth value.
func (o Object) Bool(name string) bool {
	v := o.value(name)
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			return b
		}
		if v == "" {
			return false
		}
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return f != 0
		}
	}
	o.fail(name, "a bool", v)
	return false
}

// Int64 is the attribute as a number, its fraction cut off.
func (o Object) Int64(name string) int64 {
	var literal string
	v := o.value(name)
	switch v := v.(type) {
	case nil:
		return 0
	case json.Number:
		literal = v.String()
	case string:
		if literal = strings.TrimSpace(v); literal == "" {
			return 0
		}
	default:
		o.fail(name, "a number", v)
		return 0
	}
	n, ok := integer(literal)
	if !ok {
		o.fail(name, "a number", v)
	}
	return n
}

// Int32 is Int64 within the range of an int32.
func (o Object) Int32(name string) int32 {
	return Cap(o.Int64(name))
}

// Cap is the int32 nearest to n.
func Cap(n int64) int32 {
	return int32(min(max(n, math.MinInt32), math.MaxInt32))
}

// Blocks are the blocks, or objects of a list, of that name. A null among them counts as an empty block.
func (o Object) Blocks(name string) []Object {
	switch v := o.value(name).(type) {
	case nil:
		return nil
	case []attribute:
		return []Object{{&object{v, o.path + name + ".", o.state}}}
	case []json.RawMessage:
		blocks := make([]Object, len(v))
		for i, raw := range v {
			path := fmt.Sprintf("%s%s[%d]", o.path, name, i)
			element := decode(jsonread.New(raw))
			attributes, ok := element.([]attribute)
			if !ok && element != nil {
				o.failAt(path, "an object", element)
			}
			blocks[i] = Object{&object{attributes, path + ".", o.state}}
		}
		return blocks
	default:
		o.fail(name, "a list of objects", v)
		return nil
	}
}

// Block is the first of Blocks.
func (o Object) Block(name string) (Object, bool) {
	blocks := o.Blocks(name)
	if len(blocks) == 0 {
		return Object{}, false
	}
	return blocks[0], true
}

// StringMap is the attribute as a map of texts; nil if it is empty.
func (o Object) StringMap(name string) map[string]string {
	v := o.value(name)
	object, ok := v.([]attribute)
	if !ok && v != nil {
		o.fail(name, "a map", v)
	}
	if len(object) == 0 {
		return nil
	}
	// By name: which error is the first must not depend on chance. Of several with one name the last one counts.
	slices.SortStableFunc(object, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	m := make(map[string]string, len(object))
	for i, a := range object {
		if i+1 < len(object) && object[i+1].name == a.name {
			continue
		}
		v := decode(jsonread.New(a.value))
		if m[a.name], ok = text(v); !ok {
			o.failAt(o.path+name+"."+a.name, "a string", v)
		}
	}
	return m
}

// value is the attribute, decoded; nil if there is none.
func (o Object) value(name string) any { return decoded(o.find(name)) }

func decoded(raw json.RawMessage) any {
	if len(raw) == 0 || raw[0] == 'n' { // null
		return nil
	}
	return decode(jsonread.New(raw))
}

// find is the attribute as it is written, or nil. Of several with that name the last one counts.
func (o Object) find(name string) json.RawMessage {
	if o.object == nil {
		return nil
	}
	for i := len(o.attributes) - 1; i >= 0; i-- {
		if o.attributes[i].name == name {
			return o.attributes[i].value
		}
	}
	return nil
}

func (o Object) fail(name, want string, got any) { o.failAt(o.path+name, want, got) }

func (o Object) failAt(path, want string, got any) {
	if o.state.err == nil {
		o.state.err = fmt.Errorf("%s: attribute %s is %s, want %s", o.state.address, path, kind(got), want)
	}
}

func text(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	default:
		return "", false
	}
}

// integer reads a JSON number: whole ones exactly, others by way of a float.
func integer(literal string) (int64, bool) {
	if n, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(literal, 64)
	switch {
	case math.IsNaN(f), err == nil && math.IsInf(f, 0), err != nil && !math.IsInf(f, 0): // "nan", "inf", and what is none
		return 0, false
	case f >= math.MaxInt64:
		return math.MaxInt64, true
	case f <= math.MinInt64:
		return math.MinInt64, true
	default:
		return int64(f), true
	}
}

func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "another string"
	case bool:
		return "a bool"
	case json.Number:
		return "a number"
	case []json.RawMessage:
		return "a list"
	default:
		return "an object"
	}
}
