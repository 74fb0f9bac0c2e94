package config

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"

	"github.com/hashicorp/hcl/v2"
)

// An Override is a file that, put into the root, makes the engine keep the state in terraform.tfstate there.
type Override struct {
	Name    string
	Content []byte
	Warning string // for the author of the template
}

// overrideName sorts after most names; one that sorts after it gets a successor.
const overrideName = "provisor_override.tf"

const overrideContent = `# Written by Provisor: the state is handed in and out with each request.
terraform {
  backend "local" {
  }
}
`

var (
	terraformSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "backend", LabelNames: []string{"type"}},
		{Type: "state_store", LabelNames: []string{"type"}},
		{Type: "cloud"},
	}}
	localSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "path"}, {Name: "workspace_dir"}}}
)

// LocalState returns the override that the template in dir needs for the named engine, or nil if it needs none. A
// template whose state can't be overridden is an error. What can't be parsed is left to the engine's own words.
func LocalState(dir, engine string) (*Override, error) {
	return localState(os.DirFS(dir), engine)
}

func localState(fsys fs.FS, engine string) (*Override, error) {
	sources, err := findSources(fsys, engine)
	if err != nil {
		return nil, err
	}
	var block *hcl.Block // the one that counts: the engines take that of the last file that overrides
	budget := newBudget()
	for _, s := range sources {
		text, err := readFile(fsys, s.name, maxFile)
		if err != nil {
			return nil, fmt.Errorf("look for a backend: %w", err)
		}
		if !mayStoreState(text, s) {
			continue
		}
		f, diags := parseText(text, s, budget)
		if f == nil {
			var failed loadError
			failed.add(diags)
			return nil, fmt.Errorf("look for a backend: %w", &failed)
		}
		if found := stateBlock(f); found != nil {
			block = found
		}
	}
	if block == nil {
		return nil, nil
	}
	return overrideOf(block, sources, engine)
}

// mayStoreState spares the parser all files that surely have none of the blocks. JSON can write their names with
// escapes.
func mayStoreState(text []byte, s source) bool {
	for _, block := range terraformSchema.Blocks {
		if bytes.Contains(text, []byte(block.Type)) {
			return true
		}
	}
	return s.json && bytes.Contains(text, []byte(`\u`))
}

// stateBlock is the block that says where the state is, or nil.
func stateBlock(f *file) *hcl.Block {
	var found *hcl.Block
	for _, block := range f.content.Blocks.OfType("terraform") {
		content, _, _ := block.Body.PartialContent(terraformSchema) // the engine reports what is wrong with it
		for _, block := range content.Blocks {
			found = block
		}
	}
	return found
}

func overrideOf(block *hcl.Block, sources []source, engine string) (*Override, error) {
	at := fmt.Sprintf("%s:%d", block.DefRange.Filename, block.DefRange.Start.Line)
	switch block.Type {
	case "cloud":
		return nil, fmt.Errorf("%s: the template has a \"cloud\" block, with which HCP Terraform keeps the state and may run "+
			"plan and apply elsewhere; here the state comes and goes with each request: remove the block", at)
	case "state_store":
		return nil, fmt.Errorf("%s: the template has a \"state_store\" block, with which a provider keeps the state; here the "+
			"state comes and goes with each request: remove the block", at)
	}
	backend := block.Labels[0]
	if backend != "local" {
		return newOverride(sources, engine, fmt.Sprintf(
			"%s: the backend %q is not used: the state comes and goes with each request", at, backend)), nil
	}
	content, _, _ := block.Body.PartialContent(localSchema)
	if len(content.Attributes) == 0 {
		return nil, nil
	}
	return newOverride(sources, engine, fmt.Sprintf(
		"%s: the settings of the backend \"local\" are not used: the state comes and goes with each request", at)), nil
}

// newOverride names the file so that it comes after all others that override.
func newOverride(sources []source, engine, warning string) *Override {
	name := overrideName
	for _, s := range sources {
		if s.override && s.name >= name {
			stem, _ := splitExt(s.name, engine)
			name = stem + "_override.tf" // "_" sorts after the "." of any extension
		}
	}
	return &Override{Name: name, Content: []byte(overrideContent), Warning: printable(warning)}
}
