// Package values reads names and values that a person gives on the command line: name=value, and files in HCL or JSON.
package values

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// MaxFile is the largest file of values, in bytes: far above what a person writes.
const MaxFile = 8 << 20

// Value is one name with its value. Text keeps a string as it is; anything else as source (HCL) or compact JSON, which
// is how Terraform reads a -var on its command line.
type Value struct{ Name, Text string }

// Parse reads files first and assignments ("name=value") then; the last one of a name wins, at the place of the first.
func Parse(files, assignments []string) ([]Value, error) {
	var list []Value
	for _, file := range files {
		values, err := readFile(file)
		if err != nil {
			return nil, err
		}
		list = append(list, values...)
	}
	for _, a := range assignments {
		name, text, found := strings.Cut(a, "=")
		if !found || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("%q: want name=value", a)
		}
		list = append(list, Value{strings.TrimSpace(name), text})
	}
	return lastWins(list), nil
}

func lastWins(list []Value) []Value {
	var out []Value
	for _, v := range list {
		if i := slices.IndexFunc(out, func(o Value) bool { return o.Name == v.Name }); i >= 0 {
			out[i] = v
			continue
		}
		out = append(out, v)
	}
	return out
}

func readFile(path string) ([]Value, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("values file: %w", err)
	}
	if info.Size() > MaxFile {
		return nil, fmt.Errorf("values file %s: %d bytes, more than the %d that such a file may have", path, info.Size(), MaxFile)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("values file: %w", err)
	}
	if filepath.Ext(path) == ".json" {
		return fromJSON(path, content)
	}
	return fromHCL(path, content)
}

// fromJSON reads one object; its members' order is kept.
func fromJSON(path string, content []byte) ([]Value, error) {
	fail := func(err error) ([]Value, error) { return nil, fmt.Errorf("values file %s: %w", path, err) }
	decoder := json.NewDecoder(bytes.NewReader(content))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return fail(errors.Join(errors.New(`want one JSON object, {"name": "value"}`), err))
	}
	var list []Value
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return fail(err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return fail(err)
		}
		var text string
		if json.Unmarshal(value, &text) != nil || string(value) == "null" {
			var compact bytes.Buffer
			if err := json.Compact(&compact, value); err != nil {
				return fail(err)
			}
			text = compact.String()
		}
		list = append(list, Value{name.(string), text})
	}
	if _, err := decoder.Token(); err != nil {
		return fail(err)
	}
	if decoder.More() {
		return fail(errors.New("there is something after the object"))
	}
	return list, nil
}

// fromHCL reads the attributes of a file like terraform.tfvars, in the order in which they stand there.
func fromHCL(path string, content []byte) ([]Value, error) {
	if depth := nesting(content); depth > maxNesting {
		return nil, fmt.Errorf("values file %s: brackets are nested %d deep, more than %d", path, depth, maxNesting)
	}
	file, diagnostics := hclsyntax.ParseConfig(content, path, hcl.InitialPos)
	if diagnostics.HasErrors() {
		return nil, fmt.Errorf("values file %w", diagnostics)
	}
	attributes, diagnostics := file.Body.JustAttributes()
	if diagnostics.HasErrors() {
		return nil, fmt.Errorf("values file %w", diagnostics)
	}
	ordered := make([]*hcl.Attribute, 0, len(attributes))
	for _, a := range attributes {
		ordered = append(ordered, a)
	}
	slices.SortFunc(ordered, func(a, b *hcl.Attribute) int { return a.Range.Start.Byte - b.Range.Start.Byte })
	var list []Value
	for _, a := range ordered {
		value, diagnostics := a.Expr.Value(nil)
		if diagnostics.HasErrors() {
			return nil, fmt.Errorf("values file %w", diagnostics)
		}
		text := string(a.Expr.Range().SliceBytes(content))
		if value.Type() == cty.String && !value.IsNull() {
			text = value.AsString()
		}
		list = append(list, Value{a.Name, text})
	}
	return list, nil
}

// maxNesting keeps the parser's recursion within any stack.
const maxNesting = 500

func nesting(content []byte) int {
	depth, deepest := 0, 0
	for _, c := range content {
		switch c {
		case '(', '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ')', ']', '}':
			depth = max(depth-1, 0)
		}
	}
	return deepest
}
