package config

import (
	"encoding/json"
	"math"
	"math/big"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// maxExponent bounds numbers to about what a float64 can hold: written out, 1e999999999 has a billion digits.
const maxExponent = 1_100 // binary

// literal evaluates an expression that may refer to nothing. Engines allow operators in such a place, so they are
// allowed here; what could make much out of little is not.
func literal(expr hcl.Expression) (cty.Value, hcl.Diagnostics) {
	if node, ok := expr.(hclsyntax.Node); ok {
		var diags hcl.Diagnostics
		hclsyntax.VisitAll(node, func(node hclsyntax.Node) hcl.Diagnostics {
			if diag := explosive(node); diag != nil && len(diags) == 0 {
				diags = hcl.Diagnostics{diag}
			}
			return nil
		})
		if diags.HasErrors() {
			return cty.DynamicVal, diags
		}
	}
	value, diags := expr.Value(nil)
	if !diags.HasErrors() && !value.IsWhollyKnown() {
		diags = append(diags, problem(expr.Range(), "Unsuitable value", "The value must be known without running anything."))
	}
	if !diags.HasErrors() && !isWritable(value) { // of JSON, and of arithmetic
		diags = append(diags, outOfRange(expr.Range()))
	}
	return value, diags
}

// isWritable tells whether all numbers in a value are modest.
func isWritable(value cty.Value) bool {
	switch {
	case value.IsNull():
		return true
	case value.Type() == cty.Number:
		return isModest(value.AsBigFloat())
	case !value.CanIterateElements():
		return true
	}
	for _, element := range value.Elements() {
		if !isWritable(element) {
			return false
		}
	}
	return true
}

// explosive finds what evaluates to more than it takes to write.
func explosive(node hclsyntax.Node) *hcl.Diagnostic {
	switch node := node.(type) {
	case *hclsyntax.ForExpr:
		return problem(node.Range(), "Iteration not allowed", "A \"for\" may not be used here: write the values out.")
	case *hclsyntax.LiteralValueExpr:
		if node.Val.Type() == cty.Number && node.Val.IsKnown() && !node.Val.IsNull() && !isModest(node.Val.AsBigFloat()) {
			return outOfRange(node.Range())
		}
	}
	return nil
}

func outOfRange(at hcl.Range) *hcl.Diagnostic {
	return problem(at, "Number out of range", "A number here is too big or too small to be written out.")
}

// isModest tells whether a number has no more digits than it can be written with.
func isModest(number *big.Float) bool {
	exponent := number.MantExp(nil)
	return !number.IsInf() && exponent < maxExponent && exponent > -maxExponent
}

// asString is what a string attribute gets from a value; not ok if a value of its type can't be a string.
func asString(value cty.Value) (text string, ok bool) {
	if !value.IsKnown() || !value.Type().IsPrimitiveType() && !value.IsNull() {
		return "", false
	}
	if value.IsNull() {
		return "", true
	}
	return asText(value), true
}

// asBool is what a boolean attribute gets from a value. Null is false, as if it were not there.
func asBool(value cty.Value) (result, ok bool) {
	switch {
	case !value.IsKnown():
		return false, false
	case value.IsNull():
		return false, true
	case value.Type() == cty.Bool:
		return value.True(), true
	case value.Type() == cty.String:
		text := value.AsString()
		return text == "true", text == "true" || text == "false"
	}
	return false, false
}

// asText is a string as it is, and everything else as compact JSON with sorted keys.
func asText(value cty.Value) string {
	if value.Type() == cty.String && !value.IsNull() {
		return value.AsString()
	}
	text, err := json.Marshal(jsonValue(value))
	if err != nil { // impossible: jsonValue makes nothing but strings, numbers, booleans, lists and objects
		return ""
	}
	return string(text)
}

// jsonValue is what encoding/json makes the JSON of a known value from.
func jsonValue(value cty.Value) any {
	t := value.Type()
	switch {
	case value.IsNull() || !value.IsKnown():
		return nil
	case t == cty.String:
		return value.AsString()
	case t == cty.Bool:
		return value.True()
	case t == cty.Number:
		return jsonNumber(value.AsBigFloat())
	case t.IsObjectType() || t.IsMapType():
		object := make(map[string]any, value.LengthInt())
		for key, element := range value.Elements() {
			object[key.AsString()] = jsonValue(element)
		}
		return object
	}
	list := make([]any, 0, value.LengthInt())
	for _, element := range value.Elements() {
		list = append(list, jsonValue(element))
	}
	return list
}

// jsonNumber writes integers digit by digit, and the rest as the shortest number that means the same float64.
func jsonNumber(number *big.Float) any {
	if number.IsInt() && isModest(number) {
		return json.Number(number.Text('f', 0))
	}
	if short, _ := number.Float64(); !math.IsInf(short, 0) && short != 0 {
		return short
	}
	return json.Number(number.Text('g', 20))
}
