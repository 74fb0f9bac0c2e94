package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// maxFile is the largest configuration, in bytes.
const maxFile = 4 << 20

// Load reads a configuration and what it refers to, as far as that can be told without a daemon: token files, certificates, whether
// paths are there. The error is Problems if the configuration is what is wrong.
func Load(path string) (*Config, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf("%s has %d bytes, at most %d are read", path, info.Size(), maxFile)
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	c, problems := parse(source, path, &disk{})
	if len(problems) > 0 {
		return nil, problems
	}
	return c, nil
}

// parse reads a configuration. What it refers to is looked at through files.
func parse(source []byte, path string, files files) (*Config, Problems) {
	// hclsyntax recurses, and a file of brackets alone would take all the stack that there is.
	if p := tooDeep(source, path); p != nil {
		return nil, Problems{*p}
	}
	file, diags := hclsyntax.ParseConfig(source, path, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, ofDiagnostics(diags).sorted()
	}
	var shape fileShape
	problems := ofDiagnostics(gohcl.DecodeBody(file.Body, nil, &shape))
	problems = append(problems, unknownKeys(file.Body.(*hclsyntax.Body), reflect.TypeFor[fileShape](), "")...)
	r := &reader{files: files, dir: filepath.Dir(path), config: &Config{File: path}, problems: problems}
	r.read(&shape)
	if len(r.problems) > 0 {
		return nil, r.problems.sorted()
	}
	return r.config, nil
}

// HCL's parser recurses: bounds that keep it from running out of stack, far above what configurations need.
const (
	maxDepth     = 100  // brackets in each other
	maxOperators = 1000 // in a file
)

// tooDeep looks at HCL's own tokens.
func tooDeep(source []byte, path string) *Problem {
	tokens, _ := hclsyntax.LexConfig(source, path, hcl.InitialPos) // the parser reports the same errors
	depth, operators := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc,
			hclsyntax.TokenTemplateSeqEnd:
			depth--
		case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenQuestion:
			operators++
		}
		if depth > maxDepth || operators > maxOperators {
			p := problemAt(t.Range, "this is nested too deeply: at most %d brackets in each other, and %d operators in a file", maxDepth, maxOperators)
			return &p
		}
	}
	return nil
}
