package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// A variableSet collects the variables of a module.
type variableSet struct{ byName map[string]declaration }

// A declaration is a variable and where it stands.
type declaration struct {
	variable *pb.TemplateVariable
	at       hcl.Range
}

var variableSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
	{Name: "type"},
	{Name: "description"},
	{Name: "default"},
	{Name: "sensitive"},
}}

// add takes the variables of a file. One of an override file takes the place of an earlier one.
func (s *variableSet) add(f *file) hcl.Diagnostics {
	if s.byName == nil {
		s.byName = make(map[string]declaration)
	}
	var diags hcl.Diagnostics
	for _, block := range f.content.Blocks.OfType("variable") {
		name := block.Labels[0]
		if first, ok := s.byName[name]; ok && !f.override {
			diags = append(diags, problem(block.DefRange, "Duplicate variable declaration",
				"The variable %q is declared already at %s:%d. Variables need different names.",
				name, first.at.Filename, first.at.Start.Line))
			continue
		}
		variable, variableDiags := decodeVariable(block, f.bytes)
		diags = append(diags, variableDiags...)
		s.byName[name] = declaration{variable, block.DefRange}
	}
	return diags
}

// sorted lists the variables by file name, then by where they stand in it.
func (s *variableSet) sorted() []*pb.TemplateVariable {
	declarations := slices.SortedFunc(maps.Values(s.byName), func(a, b declaration) int {
		return cmp.Or(strings.Compare(a.at.Filename, b.at.Filename), cmp.Compare(a.at.Start.Byte, b.at.Start.Byte))
	})
	var variables []*pb.TemplateVariable
	for _, d := range declarations {
		variables = append(variables, d.variable)
	}
	return variables
}

func decodeVariable(block *hcl.Block, text []byte) (*pb.TemplateVariable, hcl.Diagnostics) {
	content, _, diags := block.Body.PartialContent(variableSchema)
	variable := &pb.TemplateVariable{Name: printable(block.Labels[0]), Required: true}
	if attr, ok := content.Attributes["type"]; ok {
		variable.Type = printable(typeText(attr.Expr, text))
	}
	if attr, ok := content.Attributes["description"]; ok {
		value, valueDiags := literal(attr.Expr)
		diags = append(diags, valueDiags...)
		description, ok := asString(value)
		if !ok && !valueDiags.HasErrors() {
			diags = append(diags, problem(attr.Expr.Range(), "Unsuitable value type", "A description must be a string."))
		}
		variable.Description = printable(description)
	}
	if attr, ok := content.Attributes["sensitive"]; ok {
		value, valueDiags := literal(attr.Expr)
		diags = append(diags, valueDiags...)
		if variable.Sensitive, ok = asBool(value); !ok && !valueDiags.HasErrors() {
			diags = append(diags, problem(attr.Expr.Range(), "Unsuitable value type", "\"sensitive\" must be true or false."))
		}
	}
	if attr, ok := content.Attributes["default"]; ok {
		value, valueDiags := literal(attr.Expr)
		diags = append(diags, valueDiags...)
		if !valueDiags.HasErrors() && !value.IsNull() {
			variable.Required = false
			variable.DefaultValue = printable(asText(value))
		}
	}
	return variable, diags
}

// typeText is the type as it is written. Old templates, and all JSON, write it as a string.
func typeText(expr hcl.Expression, text []byte) string {
	if quoted(expr) {
		if value, diags := expr.Value(nil); !diags.HasErrors() && value.Type() == cty.String && !value.IsNull() {
			return value.AsString()
		}
	}
	return string(expr.Range().SliceBytes(text))
}

// quoted tells whether an expression is a string without anything to evaluate in it.
func quoted(expr hcl.Expression) bool {
	switch expr := expr.(type) {
	case *hclsyntax.TemplateExpr:
		return expr.IsStringLiteral()
	case hclsyntax.Expression:
		return false
	}
	return true // JSON
}
