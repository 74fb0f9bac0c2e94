package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Expression evaluates an expression that may refer to nothing, such as a value for a variable whose type is not
// primitive. It is bounded as the template's own files are. Details of the diagnostics may quote the text.
func Expression(text string) (cty.Value, hcl.Diagnostics) {
	s := source{name: "value"}
	if diag := newBudget().check([]byte(text), s); diag != nil {
		return cty.DynamicVal, hcl.Diagnostics{diag}
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), s.name, hcl.InitialPos)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return literal(expr)
}
