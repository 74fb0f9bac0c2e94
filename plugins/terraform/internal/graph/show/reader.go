package show

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// reader reads a JSON text in one pass. It decodes without reflection, and without the call for each byte that encoding/json makes:
// calls are what is slow in WebAssembly.
type reader struct {
	data    []byte
	decoder *jsontext.Decoder
}

func newReader(data []byte) *reader {
	return &reader{data, jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
}

// member reads the value of an object's member, which may be passed over.
type member func(name []byte) error

// document reads the whole text as one object, and puts its errors into words for people.
func (r *reader) document(read member) error {
	if len(r.data) == 0 {
		return errors.New("it is empty, JSON was expected")
	}
	err := r.object(read)
	if err == nil {
		if _, err = r.decoder.ReadToken(); err == io.EOF {
			return nil
		}
		if err == nil {
			return fmt.Errorf("it is not JSON: byte %d: more comes after the object", r.decoder.InputOffset())
		}
	}
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON: byte %d: %w", syntax.ByteOffset, syntax.Err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("it is not JSON: byte %d: %w", len(r.data), io.ErrUnexpectedEOF)
	}
	return err
}

// begin reads the beginning of an object or array. A null has none.
func (r *reader) begin(kind jsontext.Kind, what string) (there bool, err error) {
	switch r.decoder.PeekKind() {
	case kind:
		_, err = r.decoder.ReadToken()
		return err == nil, err
	case 'n':
		return false, r.skip()
	}
	return false, r.wrong(what)
}

// wrong is an error for the value that comes next, which has another type than it should.
func (r *reader) wrong(want string) error {
	got := kinds[r.decoder.PeekKind()]
	if got == "" {
		// It is no value at all.
		if err := r.skip(); err != nil {
			return err
		}
	}
	// The member's name is read, so that this is where the value belongs.
	path := slices.DeleteFunc(slices.Collect(r.decoder.StackPointer().Tokens()), func(step string) bool {
		_, err := strconv.Atoi(step)
		return err == nil
	})
	if len(path) == 0 {
		return fmt.Errorf("it is not a JSON object but %s", got)
	}
	return fmt.Errorf("%s is %s, want %s", strings.Join(path, "."), got, want)
}

var kinds = map[jsontext.Kind]string{'n': "null", 't': "a bool", 'f': "a bool", '"': "a string", '0': "a number", '{': "an object", '[': "an array"}

// object has each of an object's members read.
func (r *reader) object(read member) error {
	there, err := r.begin('{', "an object")
	if err != nil || !there {
		return err
	}
	for r.decoder.PeekKind() != '}' {
		name, err := r.name()
		if err == nil {
			err = read(name)
		}
		if err != nil {
			return err
		}
	}
	_, err = r.decoder.ReadToken()
	return err
}

// name reads a member's name; it is valid until something else is read.
func (r *reader) name() ([]byte, error) {
	quoted, err := r.decoder.ReadValue()
	if err != nil || len(quoted) < 2 {
		return nil, err
	}
	if bytes.IndexByte(quoted, '\\') >= 0 {
		return jsontext.AppendUnquote(nil, quoted)
	}
	return quoted[1 : len(quoted)-1], nil
}

// array has element read each of an array's elements.
func (r *reader) array(element func() error) error {
	there, err := r.begin('[', "an array")
	if err != nil || !there {
		return err
	}
	for r.decoder.PeekKind() != ']' {
		if err := element(); err != nil {
			return err
		}
	}
	_, err = r.decoder.ReadToken()
	return err
}

// text reads a string; a null leaves it as it is.
func (r *reader) text(into *string) error {
	switch r.decoder.PeekKind() {
	case '"':
		token, err := r.decoder.ReadToken()
		if err == nil {
			*into = token.String()
		}
		return err
	case 'n':
		return r.skip()
	}
	return r.wrong("a string")
}

// raw takes a value as it stands, without a copy.
func (r *reader) raw(into *json.RawMessage) error {
	value, err := r.decoder.ReadValue()
	if err == nil {
		end := r.decoder.InputOffset()
		*into = r.data[end-int64(len(value)) : end : end]
	}
	return err
}

func (r *reader) skip() error { return r.decoder.SkipValue() }

// values are what both a plan and a state have in an object of its own.
type values struct {
	there bool
	root  *Module
}

func (r *reader) values(into *values) error {
	into.there = r.decoder.PeekKind() != 'n'
	return r.object(func(name []byte) error {
		if string(name) == "root_module" {
			return r.module(&into.root)
		}
		return r.skip()
	})
}

func (r *reader) priorState(into *values) error {
	return r.object(func(name []byte) error {
		if string(name) == "values" {
			return r.values(into)
		}
		return r.skip()
	})
}

func (r *reader) module(into **Module) error {
	if r.decoder.PeekKind() == 'n' {
		return r.skip()
	}
	m := new(Module)
	*into = m
	return r.object(func(name []byte) error {
		switch string(name) {
		case "resources":
			return r.array(func() error {
				m.Resources = append(m.Resources, nil)
				return r.resource(&m.Resources[len(m.Resources)-1])
			})
		case "child_modules":
			return r.array(func() error {
				m.Children = append(m.Children, nil)
				return r.module(&m.Children[len(m.Children)-1])
			})
		}
		return r.skip()
	})
}

func (r *reader) resource(into **Resource) error {
	if r.decoder.PeekKind() == 'n' {
		return r.skip()
	}
	v := new(Resource)
	*into = v
	return r.object(func(name []byte) error {
		switch string(name) {
		case "address":
			return r.text(&v.Address)
		case "mode":
			return r.text(&v.Mode)
		case "type":
			return r.text(&v.Type)
		case "name":
			return r.text(&v.Name)
		case "values":
			return r.raw(&v.Values)
		case "deposed_key":
			return r.text(&v.Deposed)
		}
		return r.skip()
	})
}

func (r *reader) changes(into *[]Change) error {
	return r.array(func() error {
		*into = append(*into, Change{})
		c := &(*into)[len(*into)-1]
		return r.object(func(name []byte) error {
			switch string(name) {
			case "address":
				return r.text(&c.Address)
			case "mode":
				return r.text(&c.Mode)
			case "type":
				return r.text(&c.Type)
			case "deposed":
				return r.text(&c.Deposed)
			case "change":
				return r.change(c)
			}
			return r.skip()
		})
	})
}

func (r *reader) change(c *Change) error {
	return r.object(func(name []byte) error {
		switch string(name) {
		case "actions":
			return r.array(func() error {
				c.Change.Actions = append(c.Change.Actions, "")
				return r.text(&c.Change.Actions[len(c.Change.Actions)-1])
			})
		case "before":
			return r.raw(&c.Change.Before)
		case "after":
			return r.raw(&c.Change.After)
		case "after_unknown":
			return r.raw(&c.Change.AfterUnknown)
		case "before_sensitive":
			return r.raw(&c.Change.BeforeSensitive)
		case "after_sensitive":
			return r.raw(&c.Change.AfterSensitive)
		case "replace_paths":
			return r.raw(&c.Change.ReplacePaths)
		}
		return r.skip()
	})
}
