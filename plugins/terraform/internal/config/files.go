package config

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
)

// maxFile bounds one configuration file in bytes. Templates of the field are below 1 MiB in all.
const maxFile = 4 << 20

// A source is a configuration file that the engine reads.
type source struct {
	name     string
	override bool // its blocks replace those of the other files
	json     bool
}

// A file is a parsed source.
type file struct {
	source
	content *hcl.BodyContent
	bytes   []byte
}

// rootSchema is what may stand at the top of a file. Blocks that nobody asks for are in it as well, so that their
// missing or superfluous labels are found. Unknown ones are left to the engine, which may be newer.
var rootSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "terraform"},
	{Type: "variable", LabelNames: []string{"name"}},
	{Type: "output", LabelNames: []string{"name"}},
	{Type: "provider", LabelNames: []string{"name"}},
	{Type: "module", LabelNames: []string{"name"}},
	{Type: "resource", LabelNames: []string{"type", "name"}},
	{Type: "data", LabelNames: []string{"type", "name"}},
}}

// findSources lists the configuration files of the root in the order in which an engine merges them: by name, those
// that override last.
func findSources(fsys fs.FS, engine string) ([]source, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("list the template's files: %w", err)
	}
	var primary, overrides []source
	names := make(map[string]bool, len(entries))
	for _, entry := range entries {
		names[entry.Name()] = !entry.IsDir()
	}
	for _, entry := range entries {
		name := entry.Name()
		stem, ext := splitExt(name, engine)
		if entry.IsDir() || ext == "" || ignored(name) || shadowed(names, stem, ext, engine) {
			continue
		}
		s := source{name: name, json: strings.HasSuffix(ext, ".json")}
		if s.override = stem == "override" || strings.HasSuffix(stem, "_override"); s.override {
			overrides = append(overrides, s)
		} else {
			primary = append(primary, s)
		}
	}
	byName := func(a, b source) int { return strings.Compare(a.name, b.name) }
	slices.SortFunc(primary, byName)
	slices.SortFunc(overrides, byName)
	return append(primary, overrides...), nil
}

// splitExt splits off the extension that makes a file one of the configuration; ext is empty if none does.
func splitExt(name, engine string) (stem, ext string) {
	exts := []string{".tf", ".tf.json"}
	if engine == OpenTofu {
		exts = append(exts, ".tofu", ".tofu.json")
	}
	for _, ext := range exts {
		if stem, ok := strings.CutSuffix(name, ext); ok {
			return stem, ext
		}
	}
	return name, ""
}

// ignored tells whether engines take a file for the leftover of an editor.
func ignored(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") ||
		strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#")
}

// shadowed tells whether OpenTofu passes over a .tf file because the same exists as .tofu.
func shadowed(names map[string]bool, stem, ext, engine string) bool {
	return engine == OpenTofu && names[stem+strings.Replace(ext, ".tf", ".tofu", 1)] && strings.HasPrefix(ext, ".tf")
}

// load parses one source after the other and hands each to use; it keeps none, since a syntax tree takes many times
// the memory of its text. Its error holds the diagnostics of all files.
func load(fsys fs.FS, sources []source, use func(*file) hcl.Diagnostics) error {
	var failed loadError
	budget := newBudget()
	for _, s := range sources {
		f, diags := parseFile(fsys, s, budget)
		failed.add(diags)
		if f != nil {
			failed.add(use(f))
		}
	}
	return failed.orNil()
}

// parseFile reads and parses one file. Without a file, diagnostics say why.
func parseFile(fsys fs.FS, s source, budget *budget) (*file, hcl.Diagnostics) {
	text, err := readFile(fsys, s.name, maxFile)
	if err != nil {
		return nil, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Failed to read file",
			Detail:   fmt.Sprintf("The configuration file %q could not be read: %s.", s.name, err),
			Subject:  &hcl.Range{Filename: s.name, Start: hcl.InitialPos, End: hcl.InitialPos},
		}}
	}
	return parseText(text, s, budget)
}

// parseText parses what was read of a file, if the budget allows it.
func parseText(text []byte, s source, budget *budget) (*file, hcl.Diagnostics) {
	parsed, diags := parseBody(text, s, hcl.InitialPos, budget)
	if parsed == nil {
		return nil, diags
	}
	content, _, contentDiags := parsed.Body.PartialContent(rootSchema)
	return &file{s, content, text}, append(diags, contentDiags...)
}

// parseBody parses a file, or a part of it that begins at a place.
func parseBody(text []byte, s source, at hcl.Pos, budget *budget) (*hcl.File, hcl.Diagnostics) {
	if diag := budget.check(text, s); diag != nil {
		return nil, hcl.Diagnostics{diag}
	}
	if s.json {
		return hcljson.Parse(text, s.name)
	}
	return hclsyntax.ParseConfig(text, s.name, at)
}

// A tooBigError is a file over its limit.
type tooBigError struct {
	name  string
	limit int64
}

func (e *tooBigError) Error() string {
	return fmt.Sprintf("%s is bigger than the limit of %d bytes", e.name, e.limit)
}

// readFile reads a regular file of at most limit bytes. Links are followed: where they may lead is decided by the
// file system.
func readFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	if info.Size() > limit {
		return nil, &tooBigError{name, limit}
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	if _, err := content.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, err
	}
	if int64(content.Len()) > limit {
		return nil, &tooBigError{name, limit}
	}
	return content.Bytes(), nil
}
