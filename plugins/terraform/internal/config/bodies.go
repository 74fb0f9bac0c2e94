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
	parser   plainhcl.Parser
	slow     int // how much else may be parsed
	listed   map[string]listing
}

// listing are the files of a directory.
type listing struct {
	fsys    fs.FS
	sources []source
}

// NewBodies reads modules below fsys, as the named engine would choose their files. Of what is not plain (see plainhcl.Parser), in all at most so
// many bytes are parsed: that takes a guest some 2 ms a KiB.
func NewBodies(fsys fs.FS, engine string, notPlain int) *Bodies {
	return &Bodies{fsys: fsys, engine: engine, budget: newBudget(), partSize: partSize, plain: true, slow: notPlain, listed: make(map[string]listing)}
}

// Size is how many bytes of configuration are right in dir.
func (b *Bodies) Size(dir string) (int, error) {
	l, err := b.list(dir)
	size := 0
	for _, s := range l.sources {
		info, err := fs.Stat(l.fsys, s.name)
		if err != nil {
			return 0, err
		}
		size += int(info.Size())
	}
	return size, err
}

// list lists a directory once.
func (b *Bodies) list(dir string) (l listing, err error) {
	l, known := b.listed[dir]
	if known {
		return l, nil
	}
	if l.fsys, err = fs.Sub(b.fsys, dir); err == nil {
		l.sources, err = findSources(l.fsys, b.engine)
	}
	if err == nil {
		b.listed[dir] = l
	}
	return l, err
}

// Each calls use with each file right in dir, part by part, in the order in which the engine merges them, and keeps none: a syntax tree
// takes many times the memory of its text, and the next one may be made in it. Places in trees may be zero. A file that can't be read or parsed
// is an error, and so is what use returns.
func (b *Bodies) Each(dir string, use func(Body) error) error {
	l, err := b.list(dir)
	if err != nil {
		return err
	}
	for _, s := range l.sources {
		text, err := readFile(l.fsys, s.name, maxFile)
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
// what it means in the whole file. Only an attribute outside of all blocks that is there twice goes unnoticed.
func (b *Bodies) parts(text []byte, s source, use func(Body) error) error {
	plain := ""
	if b.plain && !s.json {
		plain = string(text)
	}
	at := hcl.InitialPos
	for begin := 0; ; {
		body, part, err := b.part(text, begin, plain, s, &at)
		if err == nil {
			err = use(Body{Override: s.override, JSON: s.json, Text: part, Body: body})
		}
		if err != nil {
			return err
		}
		if begin += len(part); begin == len(text) {
			return nil
		}
		plain = plain[min(len(part), len(plain)):]
	}
}

// ErrNotPlain is that of configuration of which too much is not plain.
var ErrNotPlain = errors.New("too much of the configuration is not plain")

// part parses what comes first in the text from begin on, by the parser for plain text if that takes it, or else as little as can be parsed by
// itself. plain is the same text, or empty where that parser is not to be asked. at is a place before begin, or there. What can't be parsed is
// hcl.Diagnostics.
func (b *Bodies) part(text []byte, begin int, plain string, s source, at *hcl.Pos) (body hcl.Body, part []byte, err error) {
	if plain != "" {
		if body, length := b.parser.Parse(plain, b.partSize); body != nil {
			return body, text[begin : begin+length], nil
		}
	}
	at.Line += bytes.Count(text[at.Byte:begin], []byte("\n"))
	at.Byte = begin
	text = text[begin:]
	for size := b.partSize; ; size = 2 * len(part) {
		part = text
		if !s.json {
			part = text[:blockEnd(text, size)]
		}
		if b.slow -= len(part); b.slow < 0 {
			return nil, nil, ErrNotPlain
		}
		f, diags := parseBody(part, s, *at, b.budget)
		switch {
		case !diags.HasErrors():
			return f.Body, part, nil
		case len(part) == len(text):
			return nil, nil, diags
		}
	}
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
