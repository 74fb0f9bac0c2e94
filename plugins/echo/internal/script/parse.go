package script

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The most that a script may hold.
const (
	maxBytes = 16 << 20
	maxSteps = 100_000
	// maxError is how much of what it holds an error repeats, in bytes.
	maxError = 500
)

// Requests are the kinds of requests that a section can be for.
var Requests = []string{"init", "parse", "plan", "apply", "graph"}

// Parse reads a script. The error is an *Error; file is the name that it says.
func Parse(file string, text []byte) (*Script, error) {
	p := &parser{file: file, rest: string(text), script: new(Script)}
	if len(text) > maxBytes {
		return nil, p.failf("the script has %d bytes, and the limit is %d", len(text), maxBytes)
	}
	if !utf8.Valid(text) {
		return nil, p.failf("the script is not UTF-8")
	}
	for p.next() {
		if err := p.parseLine(); err != nil {
			return nil, err
		}
	}
	return p.script, nil
}

type parser struct {
	file   string
	rest   string // what comes after the current line
	text   string // what is left of the current line
	line   int
	script *Script
	steps  int
}

// next goes to the next line.
func (p *parser) next() bool {
	if p.rest == "" {
		return false
	}
	p.text, p.rest, _ = strings.Cut(p.rest, "\n")
	p.text = strings.TrimSpace(p.text)
	p.line++
	return true
}

func (p *parser) failf(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + "..."
	}
	return &Error{File: p.file, Line: max(p.line, 1), Text: text}
}

func (p *parser) parseLine() error {
	if p.text == "" || p.text[0] == '#' {
		return nil
	}
	name := p.word()
	if name == "on" {
		return p.parseSection()
	}
	spec, ok := findStep(name)
	if !ok {
		return p.failf("there is no step %q%s", name, suggestion(name))
	}
	if len(p.script.Sections) == 0 {
		return p.failf("the step %q belongs under a line like \"on plan\"", name)
	}
	if p.steps++; p.steps > maxSteps {
		return p.failf("there are more than %d steps", maxSteps)
	}
	section := &p.script.Sections[len(p.script.Sections)-1]
	step, err := p.parseStep(spec, section.Request)
	if err != nil {
		return err
	}
	section.Steps = append(section.Steps, step)
	return nil
}

// suggestion names the step that may have been meant.
func suggestion(name string) string {
	for _, s := range Steps {
		if strings.HasPrefix(s.Name, name) || strings.HasPrefix(name, s.Name) {
			return fmt.Sprintf("; is it %q?", s.String())
		}
	}
	return ""
}

func (p *parser) parseSection() error {
	s := Section{Line: p.line, Request: p.word()}
	if !contains(Requests, s.Request) {
		return p.failf("on %q: want one of %s", s.Request, strings.Join(Requests, ", "))
	}
	if p.text != "" {
		n, err := parseNumber(p.text, 1, 1<<31-1)
		if err != nil {
			return p.failf("on %s %s: want which of the session's requests of that kind it is, from 1", s.Request, p.text)
		}
		s.Number = int(n)
	}
	for _, other := range p.script.Sections {
		if other.Request == s.Request && other.Number == s.Number {
			return p.failf("the same section begins in line %d already", other.Line)
		}
	}
	p.script.Sections = append(p.script.Sections, s)
	return nil
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

// word takes one word off the line.
func (p *parser) word() string {
	end := strings.IndexFunc(p.text, unicode.IsSpace)
	if end < 0 {
		end = len(p.text)
	}
	word := p.text[:end]
	p.text = strings.TrimSpace(p.text[end:])
	return word
}

func (p *parser) parseStep(spec Spec, request string) (Step, error) {
	step := Step{Line: p.line, Name: spec.Name}
	for _, kind := range spec.Params {
		if p.text == "" && kind != JSONOpt {
			return step, p.failf("%s: the %s is missing: want %s", spec.Name, kind, spec)
		}
		if err := p.parseParam(&step, kind, request); err != nil {
			var located *Error
			if errors.As(err, &located) {
				return step, err
			}
			return step, p.failf("%s: %v: want %s", spec.Name, err, spec)
		}
	}
	if p.text != "" {
		return step, p.failf("%s: too much: %q: want %s", spec.Name, p.text, spec)
	}
	return step, nil
}

// takeJSON takes one JSON value that begins in this line and may end in a later one.
func (p *parser) takeJSON() ([]byte, error) {
	text := p.text
	if p.rest != "" {
		text += "\n" + p.rest
	}
	d := json.NewDecoder(strings.NewReader(text))
	var value json.RawMessage
	if err := d.Decode(&value); err != nil {
		at := d.InputOffset()
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at = syntax.Offset
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the JSON does not end")
			at = 0
		}
		p.line += strings.Count(text[:min(int(at), len(text))], "\n")
		return nil, p.failf("%v", err)
	}
	end := int(d.InputOffset())
	p.line += strings.Count(text[:end], "\n")
	p.text, p.rest, _ = strings.Cut(text[end:], "\n")
	p.text = strings.TrimSpace(p.text)
	return bytes.TrimSpace(value), nil
}
