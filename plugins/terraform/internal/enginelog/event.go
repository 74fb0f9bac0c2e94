// Package enginelog turns what Terraform or OpenTofu write while they work into the session's logs: JSON lines on
// standard output, anything at all on standard error.
package enginelog

import (
	"bytes"
	"strconv"

	"github.com/provisor/provisor/plugins/terraform/internal/jsonread"
)

// Event is one line of an engine's machine-readable output: what the logs and the timings need of it. A line that is no
// JSON object has its text as the Message and no Level.
//
// It is there until the next line: who keeps a text of it must clone that. The State may be kept.
//
// See https://developer.hashicorp.com/terraform/internals/machine-readable-ui
type Event struct {
	Level, Message, Timestamp, Type, MessageCode string
	Hook                                         Hook
	Diagnostic                                   *Diagnostic
	// State is the state of an engine that could write it to no file; nil on all other lines.
	State []byte
}

// stateDump is the message of the line that has such a state.
const stateDump = "Emergency state dump"

// Hook is what an engine does to one resource.
type Hook struct {
	Address, ImpliedProvider, Action string
}

// Diagnostic is an engine's error or warning. Range and Snippet may be nil.
type Diagnostic struct {
	Severity, Detail string
	Range            *Range
	Snippet          *Snippet
}

// Range is where a diagnostic is about.
type Range struct {
	Filename string
	Line     int
}

// Snippet is the source code that a diagnostic is about.
type Snippet struct {
	Context   string
	Code      string
	StartLine int
	Values    []Value
}

// Value is an expression within a snippet, and what it stood for: "var.size" and "is 5".
type Value struct{ Traversal, Statement string }

// HideSource takes from a diagnostic about that file where it is and what stands there.
func (e *Event) HideSource(filename string) {
	if d := e.Diagnostic; d != nil && d.Range != nil && d.Range.Filename == filename {
		d.Range, d.Snippet = nil, nil
	}
}

// decoder reads lines of JSON. It does without encoding/json, whose reflection costs five times as much in WebAssembly:
// an engine can write tens of thousands of lines, and its output waits for whoever reads it.
type decoder struct {
	reader jsonread.Reader
	event  Event
}

// decode reads one line without its end. It is false for what is no JSON object. A member of another type than it should
// have is as good as none. The event is the decoder's, and its texts are in the line.
func (d *decoder) decode(line []byte) (*Event, bool) {
	r := &d.reader
	if r.Reset(line); r.Kind() != jsonread.Object {
		return nil, false
	}
	e := &d.event
	*e = Event{}
	var state []byte
	r.Object()
	for name, more := r.Member(); more; name, more = r.Member() {
		switch name {
		case "@level":
			e.Level = text(r)
		case "@message":
			e.Message = text(r)
		case "@timestamp":
			e.Timestamp = text(r)
		case "type":
			e.Type = text(r)
		case "message_code":
			e.MessageCode = text(r)
		case "hook":
			e.Hook = hookOf(r)
		case "diagnostic":
			e.Diagnostic = diagnosticOf(r)
		case "state":
			if state = nil; r.Kind() == jsonread.Object {
				state = r.Raw()
			} else {
				r.Skip()
			}
		default:
			r.Skip()
		}
	}
	if r.End(); r.Err() != nil {
		return nil, false
	}
	if e.Message == stateDump {
		e.State = bytes.Clone(state)
	}
	return e, true
}

// members has each member of the object read that comes next, if one does.
func members(r *jsonread.Reader, read func(name string)) {
	if r.Kind() != jsonread.Object {
		r.Skip()
		return
	}
	r.Object()
	for name, more := r.Member(); more; name, more = r.Member() {
		read(name)
	}
}

func hookOf(r *jsonread.Reader) (h Hook) {
	members(r, func(name string) {
		switch name {
		case "resource":
			members(r, func(name string) {
				switch name {
				case "addr":
					h.Address = text(r)
				case "implied_provider":
					h.ImpliedProvider = text(r)
				default:
					r.Skip()
				}
			})
		case "action":
			h.Action = text(r)
		default:
			r.Skip()
		}
	})
	return h
}

func diagnosticOf(r *jsonread.Reader) *Diagnostic {
	if r.Kind() != jsonread.Object {
		r.Skip()
		return nil
	}
	d := new(Diagnostic)
	members(r, func(name string) {
		switch name {
		case "severity":
			d.Severity = text(r)
		case "detail":
			d.Detail = text(r)
		case "range":
			d.Range = rangeOf(r)
		case "snippet":
			d.Snippet = snippetOf(r)
		default:
			r.Skip()
		}
	})
	return d
}

func rangeOf(r *jsonread.Reader) *Range {
	if r.Kind() != jsonread.Object {
		r.Skip()
		return nil
	}
	where := new(Range)
	members(r, func(name string) {
		switch name {
		case "filename":
			where.Filename = text(r)
		case "start":
			members(r, func(name string) {
				if name == "line" {
					where.Line = number(r)
				} else {
					r.Skip()
				}
			})
		default:
			r.Skip()
		}
	})
	return where
}

func snippetOf(r *jsonread.Reader) *Snippet {
	if r.Kind() != jsonread.Object {
		r.Skip()
		return nil
	}
	s := new(Snippet)
	members(r, func(name string) {
		switch name {
		case "context":
			s.Context = text(r)
		case "code":
			s.Code = text(r)
		case "start_line":
			s.StartLine = number(r)
		case "values":
			s.Values = valuesOf(r)
		default:
			r.Skip()
		}
	})
	return s
}

func valuesOf(r *jsonread.Reader) (list []Value) {
	if r.Kind() != jsonread.Array {
		r.Skip()
		return nil
	}
	r.Array()
	for r.Element() {
		var v Value
		members(r, func(name string) {
			switch name {
			case "traversal":
				v.Traversal = text(r)
			case "statement":
				v.Statement = text(r)
			default:
				r.Skip()
			}
		})
		list = append(list, v)
	}
	return list
}

// text is the string that comes next, or empty if something else comes.
func text(r *jsonread.Reader) string {
	if r.Kind() != jsonread.String {
		r.Skip()
		return ""
	}
	return r.Text()
}

// number is the whole number that comes next, or 0 if something else comes.
func number(r *jsonread.Reader) int {
	n, err := strconv.Atoi(string(r.Raw()))
	if err != nil {
		return 0
	}
	return n
}
