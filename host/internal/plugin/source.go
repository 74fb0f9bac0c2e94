package plugin

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
)

// SourceFile is the file beside a Go plugin's main package that its manifest is made of.
const SourceFile = "plugin.hcl"

// source is what SourceFile may hold.
type source struct {
	Name        string   `hcl:"name"`
	Version     string   `hcl:"version"`
	Description string   `hcl:"description,optional"`
	License     string   `hcl:"license,optional"`
	Requests    []string `hcl:"requests"`
	Programs    []string `hcl:"programs,optional"`
	Env         []string `hcl:"env,optional"`
	Snapshot    bool     `hcl:"snapshot,optional"`
	KeepFiles   []string `hcl:"keep_files,optional"`
}

// readSource makes a manifest of the SourceFile in the directory. An error names the file and the line.
func readSource(dir string) (*guestpb.Manifest, error) {
	name := filepath.Join(dir, SourceFile)
	src, err := readFile(name, maxManifest)
	if os.IsNotExist(err) {
		return nil, fmt.Errorf("%s does not exist: a plugin's directory has a %s with its name and version", name, SourceFile)
	} else if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	m, diags := parseSource(src, name)
	if diags.HasErrors() {
		return nil, diags
	}
	return m, nil
}

func parseSource(src []byte, name string) (*guestpb.Manifest, hcl.Diagnostics) {
	file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	var s source
	if diags := gohcl.DecodeBody(file.Body, nil, &s); diags.HasErrors() {
		return nil, diags
	}
	m := &guestpb.Manifest{
		Name: s.Name, Version: s.Version, Description: s.Description, License: s.License, AbiVersion: abi.Version,
		Requests: s.Requests, Programs: s.Programs, Env: s.Env, Snapshot: s.Snapshot, KeepFiles: s.KeepFiles,
	}
	attributes, _ := file.Body.JustAttributes()
	for _, p := range problems(m) {
		d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: p.field, Detail: p.text}
		if a, ok := attributes[p.field]; ok {
			d.Subject = &a.Range
		}
		diags = append(diags, d)
	}
	return m, diags
}
