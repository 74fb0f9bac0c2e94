package config

import (
	"fmt"
	"io/fs"

	"github.com/hashicorp/hcl/v2"
)

// A Body is all that one configuration file says.
type Body struct {
	Override bool // what it says replaces what other files say
	JSON     bool
	Text     []byte
	Body     hcl.Body
}

// Bodies reads the configuration of modules whole. All that it reads shares the bounds of one template.
type Bodies struct {
	fsys   fs.FS
	engine string
	budget *budget
}

// NewBodies reads modules below fsys, as the named engine would choose their files.
func NewBodies(fsys fs.FS, engine string) *Bodies {
	return &Bodies{fsys, engine, newBudget()}
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

// Each calls use with each file right in dir, in the order in which the engine merges them, and keeps none: a syntax tree takes
// many times the memory of its text. A file that can't be read or parsed is an error, and so is what use returns.
func (b *Bodies) Each(dir string, use func(Body) error) error {
	fsys, sources, err := b.find(dir)
	if err != nil {
		return err
	}
	for _, s := range sources {
		text, err := readFile(fsys, s.name, maxFile)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		parsed, diags := parseBody(text, s, b.budget)
		if diags.HasErrors() || parsed == nil {
			return fmt.Errorf("%s: %w", s.name, diags)
		}
		if err := use(Body{Override: s.override, JSON: s.json, Text: text, Body: parsed.Body}); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}
