// Package enginelog turns what Terraform or OpenTofu write while they work into the session's logs: JSON lines on
// standard output, anything at all on standard error.
package enginelog

import (
	"bytes"

	"github.com/valyala/fastjson"
)

// Event is one line of an engine's machine-readable output: what the logs and the timings need of it. A line that is no
// JSON object has its text as the Message and no Level.
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
type decoder struct{ parser fastjson.Parser }

// decode reads one line without its end. It is false for what is no JSON object. A member of another type than it should
// have is as good as none.
func (d *decoder) decode(line []byte) (*Event, bool) {
	if len(line) > keepBuffer {
		defer func() { d.parser = fastjson.Parser{} }() // it would keep the memory that such a line took
	}
	if trimmed := bytes.TrimLeft(line, " \t"); len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, false
	}
	v, err := d.parser.ParseBytes(line)
	if err != nil {
		return nil, false
	}
	e := &Event{
		Level: text(v, "@level"), Message: text(v, "@message"), Timestamp: text(v, "@timestamp"),
		Type: text(v, "type"), MessageCode: text(v, "message_code"),
		Hook:       hookOf(v.Get("hook")),
		Diagnostic: diagnosticOf(v.Get("diagnostic")),
	}
	if state := v.Get("state"); e.Message == stateDump && isObject(state) {
		e.State = state.MarshalTo(nil)
	}
	return e, true
}

func hookOf(v *fastjson.Value) Hook {
	return Hook{
		Address: text(v, "resource", "addr"), ImpliedProvider: text(v, "resource", "implied_provider"), Action: text(v, "action"),
	}
}

func diagnosticOf(v *fastjson.Value) *Diagnostic {
	if !isObject(v) {
		return nil
	}
	d := &Diagnostic{Severity: text(v, "severity"), Detail: text(v, "detail")}
	if r := v.Get("range"); isObject(r) {
		d.Range = &Range{Filename: text(r, "filename"), Line: r.GetInt("start", "line")}
	}
	if s := v.Get("snippet"); isObject(s) {
		d.Snippet = &Snippet{Context: text(s, "context"), Code: text(s, "code"), StartLine: s.GetInt("start_line")}
		for _, value := range s.GetArray("values") {
			d.Snippet.Values = append(d.Snippet.Values, Value{text(value, "traversal"), text(value, "statement")})
		}
	}
	return d
}

func isObject(v *fastjson.Value) bool { return v != nil && v.Type() == fastjson.TypeObject }

// text is a copy of a string within v, or empty if there is none.
func text(v *fastjson.Value, path ...string) string { return string(v.GetStringBytes(path...)) }
