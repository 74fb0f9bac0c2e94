package show

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/provisor/provisor/plugins/terraform/internal/jsonread"
)

// reader reads what the engine shows. A null in the place of an object, array or string is as good as nothing.
type reader struct{ jsonread.Reader }

func newReader(data []byte) *reader { return &reader{*jsonread.New(data)} }

// document has the whole text read as one object, and puts its errors into words for people.
func (r *reader) document(data []byte, read func()) error {
	if len(data) == 0 {
		return errors.New("it is empty, JSON was expected")
	}
	read()
	r.End()
	err := r.Err()
	if wrong := (*typeError)(nil); err == nil || errors.As(err, &wrong) {
		return err
	}
	return fmt.Errorf("it is not JSON: %w", err)
}

// typeError is about a value of another type than it should have.
type typeError struct {
	path      string
	got, want jsonread.Kind
}

func (e *typeError) Error() string {
	if e.path == "" {
		return fmt.Sprintf("it is not a JSON object but %s", e.got)
	}
	return fmt.Sprintf("%s is %s, want %s", e.path, e.got, e.want)
}

// is says whether the value that comes next has that kind. A null is passed over.
func (r *reader) is(want jsonread.Kind) bool {
	switch got := r.Kind(); got {
	case want:
		return true
	case jsonread.Null, jsonread.Invalid:
		r.Skip()
	default:
		r.Fail(&typeError{r.Path(), got, want})
	}
	return false
}

// object begins to read an object, if there is one.
func (r *reader) object() bool { return r.is(jsonread.Object) && r.Object() }

// array begins to read an array, if there is one.
func (r *reader) array() bool { return r.is(jsonread.Array) && r.Array() }

// text reads a string; a null leaves it as it is.
func (r *reader) text(into *string) {
	if r.is(jsonread.String) {
		*into = r.Text()
	}
}

// raw takes a value as it stands, without a copy.
func (r *reader) raw(into *json.RawMessage) { *into = r.Raw() }

// values are what both a plan and a state have in an object of its own.
type values struct {
	there bool
	root  *Module
}

func (r *reader) values(into *values) {
	into.there = r.Kind() != jsonread.Null
	if !r.object() {
		return
	}
	for name, more := r.Member(); more; name, more = r.Member() {
		if name == "root_module" {
			r.module(&into.root)
		} else {
			r.Skip()
		}
	}
}

func (r *reader) priorState(into *values) {
	if !r.object() {
		return
	}
	for name, more := r.Member(); more; name, more = r.Member() {
		if name == "values" {
			r.values(into)
		} else {
			r.Skip()
		}
	}
}

func (r *reader) module(into **Module) {
	if !r.object() {
		return
	}
	m := new(Module)
	*into = m
	for name, more := r.Member(); more; name, more = r.Member() {
		switch name {
		case "resources":
			if r.array() {
				for r.Element() {
					m.Resources = append(m.Resources, nil)
					r.resource(&m.Resources[len(m.Resources)-1])
				}
			}
		case "child_modules":
			if r.array() {
				for r.Element() {
					m.Children = append(m.Children, nil)
					r.module(&m.Children[len(m.Children)-1])
				}
			}
		default:
			r.Skip()
		}
	}
}

func (r *reader) resource(into **Resource) {
	if !r.object() {
		return
	}
	v := new(Resource)
	*into = v
	for name, more := r.Member(); more; name, more = r.Member() {
		switch name {
		case "address":
			r.text(&v.Address)
		case "mode":
			r.text(&v.Mode)
		case "type":
			r.text(&v.Type)
		case "name":
			r.text(&v.Name)
		case "values":
			r.raw(&v.Values)
		case "deposed_key":
			r.text(&v.Deposed)
		default:
			r.Skip()
		}
	}
}

func (r *reader) changes(into *[]Change) {
	if !r.array() {
		return
	}
	var c Change
	for r.Element() {
		actions := c.Change.Actions[:0]
		c = Change{}
		c.Change.Actions = actions
		if !r.object() {
			continue
		}
		for name, more := r.Member(); more; name, more = r.Member() {
			switch name {
			case "address":
				r.text(&c.Address)
			case "mode":
				r.text(&c.Mode)
			case "type":
				r.text(&c.Type)
			case "deposed":
				r.text(&c.Deposed)
			case "change":
				r.change(&c)
			default:
				r.Skip()
			}
		}
		if c.Replaces() || c.hasPaths() {
			*into = append(*into, c)
			c.Change.Actions = nil
		}
	}
}

func (r *reader) change(c *Change) {
	if !r.object() {
		return
	}
	for name, more := r.Member(); more; name, more = r.Member() {
		switch name {
		case "actions":
			if r.array() {
				for r.Element() {
					c.Change.Actions = append(c.Change.Actions, "")
					r.text(&c.Change.Actions[len(c.Change.Actions)-1])
				}
			}
		case "before":
			r.raw(&c.Change.Before)
		case "after":
			r.raw(&c.Change.After)
		case "after_unknown":
			r.raw(&c.Change.AfterUnknown)
		case "before_sensitive":
			r.raw(&c.Change.BeforeSensitive)
		case "after_sensitive":
			r.raw(&c.Change.AfterSensitive)
		case "replace_paths":
			r.raw(&c.Change.ReplacePaths)
		default:
			r.Skip()
		}
	}
}
