package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// unknownKeys finds the keys and blocks that a shape does not have, and names what was meant. HCL itself names only what differs by two
// letters.
func unknownKeys(body *hclsyntax.Body, shape reflect.Type, where string) Problems {
	var ps Problems
	attributes, blocks := namesOf(shape)
	for name, a := range body.Attributes {
		if slices.Contains(attributes, name) {
			continue
		}
		if _, ok := blocks[name]; ok {
			ps = append(ps, problemAt(a.NameRange, "%s is a block%s: write it without the equals sign", name, where))
			continue
		}
		ps = append(ps, problemAt(a.NameRange, "unknown key %q%s: %s", name, where, meant(name, attributes)))
	}
	for _, b := range body.Blocks {
		inner, ok := blocks[b.Type]
		switch {
		case ok:
			label := ""
			if len(b.Labels) > 0 {
				label = fmt.Sprintf(" %q", b.Labels[0])
			}
			ps = append(ps, unknownKeys(b.Body, inner, fmt.Sprintf(" in %s%s", b.Type, label))...)
		case slices.Contains(attributes, b.Type):
			ps = append(ps, problemAt(b.TypeRange, "%s is a value%s, not a block: write %s = ...", b.Type, where, b.Type))
		default:
			var names []string
			for name := range blocks {
				names = append(names, name)
			}
			slices.Sort(names)
			ps = append(ps, problemAt(b.TypeRange, "unknown block %q%s: %s", b.Type, where, meant(b.Type, names)))
		}
	}
	return ps
}

// namesOf are the attributes of a shape, and its blocks with their own shapes.
func namesOf(shape reflect.Type) (attributes []string, blocks map[string]reflect.Type) {
	if shape == reflect.TypeFor[limitsShape]() {
		return limitNames(), nil
	}
	schema, _ := gohcl.ImpliedBodySchema(reflect.New(shape).Interface())
	for _, a := range schema.Attributes {
		attributes = append(attributes, a.Name)
	}
	blocks = make(map[string]reflect.Type)
	for i := range shape.NumField() {
		name, kind, _ := strings.Cut(shape.Field(i).Tag.Get("hcl"), ",")
		if kind == "block" {
			inner := shape.Field(i).Type
			for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			blocks[name] = inner
		}
	}
	return attributes, blocks
}

// meant is advice for a name that there is not: the nearest one that there is, or all of them where none is near.
func meant(name string, known []string) string {
	nearest, distance := "", 0
	for _, k := range known {
		if len(name) > 2 && strings.HasPrefix(k, name) {
			nearest, distance = k, 0
			break
		}
		if d := levenshtein.Distance(name, k, nil); nearest == "" || d < distance {
			nearest, distance = k, d
		}
	}
	switch {
	case nearest == "":
		return "nothing may stand here"
	case distance <= max(2, len(name)/2):
		return fmt.Sprintf("did you mean %q?", nearest)
	}
	return "there are " + strings.Join(known, ", ")
}
