// Package enginelog turns what Terraform or OpenTofu write while they work into the session's logs: JSON lines on
// standard output, anything at all on standard error.
package enginelog

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Event is one line of an engine's machine-readable output: what the logs and the timings need of it. A line that is no
// JSON object has its text as the Message and no Level.
//
// See https://developer.hashicorp.com/terraform/internals/machine-readable-ui
type Event struct {
	Level       string      `json:"@level"`
	Message     string      `json:"@message"`
	Timestamp   string      `json:"@timestamp"`
	Type        string      `json:"type"`
	MessageCode string      `json:"message_code"`
	Hook        Hook        `json:"hook"`
	Diagnostic  *Diagnostic `json:"diagnostic"`
}

// Hook is what an engine does to one resource.
type Hook struct {
	Resource struct {
		Address         string `json:"addr"`
		ImpliedProvider string `json:"implied_provider"`
	} `json:"resource"`
	Action string `json:"action"`
}

// Diagnostic is an engine's error or warning.
type Diagnostic struct {
	Severity string `json:"severity"`
	Detail   string `json:"detail"`
	Range    *struct {
		Filename string `json:"filename"`
		Start    struct {
			Line int `json:"line"`
		} `json:"start"`
	} `json:"range"`
	Snippet *Snippet `json:"snippet"`
}

// HideSource takes from a diagnostic about that file where it is and what stands there.
func (e *Event) HideSource(filename string) {
	if d := e.Diagnostic; d != nil && d.Range != nil && d.Range.Filename == filename {
		d.Range, d.Snippet = nil, nil
	}
}

// Snippet is the source code that a diagnostic is about.
type Snippet struct {
	Context   *string `json:"context"`
	Code      string  `json:"code"`
	StartLine int     `json:"start_line"`
	Values    []Value `json:"values"`
}

// Value is an expression within a snippet, and what it stood for: "var.size" and "is 5".
type Value struct {
	Traversal string `json:"traversal"`
	Statement string `json:"statement"`
}

// decode reads one line without its end. It is false for what is no JSON object.
func decode(line []byte) (*Event, bool) {
	if trimmed := bytes.TrimLeft(line, " \t"); len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, false
	}
	e := new(Event)
	if err := json.Unmarshal(line, e); err != nil {
		// A member of another type than ours leaves that member out; the rest of the line is as good as before.
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok {
			return nil, false
		}
	}
	return e, true
}
