package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hashicorp/hcl/v2"

	"github.com/provisor/provisor/plugins/terraform/internal/plainhcl"
)

// A Body is what one configuration file says, or a part of it: some of its blocks.
type Body struct {
	Override bool // what it says replaces what other files say
	JSON     bool
	Text     []byte
	Body     hcl.Body
}

// Bodies reads the configuration of modules whole. All that it reads shares the bounds of one template.
type Bodies struct {
	fsys     fs.FS
	engine   string
	budget   *budget
	partSize int
	plain    bool // plain text is left to the parser for that
	slow     int  // how much else may be parsed
}

// NewBodies reads modules below fsys, as the named engine would choose their files. Of what is not plain (see plainhcl.Parse), in all at most so
// many bytes are parsed: that takes a guest some 2 ms a KiB.
func NewBodies(fsys fs.FS, engine string, notPlain int) *Bodies {
	return &Bodies{fsys, engine, newBudget(), partSize, true, notPlain}
}

// Size is how many bytes of configuration are right in dir.
func (b *Bodies) Size(dir string) (int, error) {
	fsys, sources, err := b.find(dir)
	size := 0
	for _, s := range sources {
		info, err := fs.Stat(fsys, s.name)
		if err != nil {
			return 0, err
		}
		size += int(info.Size())
	}
	return size, err
}

func (b *Bodies) find(dir string) (fs.FS, []source, error) {
	fsys, err := fs.Sub(b.fsys, dir)
	if err != nil {
		return nil, nil, err
	}
	sources, err := findSources(fsys, b.engine)
	return fsys, sources, err
}

// Each calls use with each file right in dir, part by part, in the order in which the engine merges them, and keeps none: a syntax tree
// takes many times the memory of its text. Places in trees may be zero. A file that can't be read or parsed is an error, and so is what use returns.
func (b *Bodies) Each(dir string, use func(Body) error) error {
	fsys, sources, err := b.find(dir)
	if err != nil {
		return err
	}
	for _, s := range sources {
		text, err := readFile(fsys, s.name, maxFile)
		if err == nil {
			err = b.parts(text, s, use)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// partSize is how many bytes of native syntax are parsed at once, at least: a file of 2,000 resources as a whole takes a guest half
// again as long, and three times the memory.
const partSize = 2 << 10

// parts parses a file part by part. A part that can be parsed ends outside of all blocks, texts and comments, so what follows it means
// what it means in the whole file. A part that can't be is parsed again with more of the file. Only an attribute outside of all blocks that
// is there twice goes unnoticed.
func (b *Bodies) parts(text []byte, s source, use func(Body) error) error {
	at, size := hcl.InitialPos, b.partSize
	for {
		part := text
		if !s.json {
			part = text[:blockEnd(text, size)]
		}
		body, err := b.body(part, s, at)
		if diags := (hcl.Diagnostics)(nil); errors.As(err, &diags) && len(part) < len(text) {
			size = 2 * len(part)
			continue
		}
		if err != nil {
			return err
		}
		if err := use(Body{Override: s.override, JSON: s.json, Text: part, Body: body}); err != nil {
			return err
		}
		if text = text[len(part):]; len(text) == 0 {
			return nil
		}
		at.Line += bytes.Count(part, []byte("\n"))
		at.Byte += len(part)
		size = b.partSize
	}
}

// ErrNotPlain is that of configuration of which too much is not plain.
var ErrNotPlain = errors.New("too much of the configuration is not plain")

// body parses a part, by the parser for plain text if that takes it. What can't be parsed is hcl.Diagnostics.
func (b *Bodies) body(part []byte, s source, at hcl.Pos) (hcl.Body, error) {
	if b.plain && !s.json {
		if body := plainhcl.Parse(part); body != nil {
			return body, nil
		}
	}
	if b.slow -= len(part); b.slow < 0 {
		return nil, ErrNotPlain
	}
	f, diags := parseBody(part, s, at, b.budget)
	if diags.HasErrors() {
		return nil, diags
	}
	return f.Body, nil
}

// blockEnd is where the first line ends that is nothing but a closing brace and begins behind so many bytes, or else the end of the text.
func blockEnd(text []byte, after int) int {
	for from := after; from < len(text); {
		i := bytes.Index(text[from:], []byte("\n}"))
		if i < 0 {
			break
		}
		from += i + len("\n}")
		if rest := bytes.TrimPrefix(text[from:], []byte("\r")); bytes.HasPrefix(rest, []byte("\n")) {
			return len(text) - len(rest) + 1
		}
	}
	return len(text)
}
