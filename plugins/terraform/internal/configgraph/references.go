package configgraph

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// references are names of what an expression refers to, as they are found in the module where it stands: "var.a", "local.a",
// "TYPE.NAME", "data.TYPE.NAME", "module.a", "module.a.OUTPUT".
type references []string

// distinct has each of them once.
func (r references) distinct() references {
	r = slices.Clone(r)
	slices.Sort(r)
	return slices.Compact(r)
}

// referencesOf are the references in an expression. Roots that are in names are something else here: iterators of dynamic blocks.
func referencesOf(names []string, e hcl.Expression) references {
	var all references
	eachReference(names, e, func(name string) { all = append(all, name) })
	return all
}

// eachReference calls use with each of referencesOf.
func eachReference(names []string, e hcl.Expression, use func(reference string)) {
	variables(e, func(t hcl.Traversal) {
		if name := reference(t); name != "" && (len(names) == 0 || !slices.Contains(names, t.RootName())) {
			use(name)
		}
	})
}

// variables calls use with what Variables of an expression returns.
func variables(e hcl.Expression, use func(hcl.Traversal)) {
	if native, ok := e.(hclsyntax.Expression); ok {
		nativeVariables(native, use)
		return
	}
	for _, t := range e.Variables() {
		use(t)
	}
}

// nativeVariables spares what most expressions are the walk, which takes several times as long.
func nativeVariables(e hclsyntax.Expression, use func(hcl.Traversal)) {
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
	case *hclsyntax.ScopeTraversalExpr:
		use(e.Traversal)
	case *hclsyntax.TemplateExpr:
		for _, part := range e.Parts {
			nativeVariables(part, use)
		}
	case *hclsyntax.TemplateWrapExpr:
		nativeVariables(e.Wrapped, use)
	case *hclsyntax.TupleConsExpr:
		for _, element := range e.Exprs {
			nativeVariables(element, use)
		}
	case *hclsyntax.ObjectConsExpr:
		for _, item := range e.Items {
			nativeVariables(item.KeyExpr, use)
			nativeVariables(item.ValueExpr, use)
		}
	case *hclsyntax.ObjectConsKeyExpr:
		// A word alone is a name.
		if word, ok := e.Wrapped.(*hclsyntax.ScopeTraversalExpr); !ok || len(word.Traversal) > 1 || e.ForceNonLiteral {
			nativeVariables(e.Wrapped, use)
		}
	case *hclsyntax.FunctionCallExpr:
		for _, argument := range e.Args {
			nativeVariables(argument, use)
		}
	default:
		for _, t := range e.Variables() {
			use(t)
		}
	}
}

// reference is what a traversal refers to, or "" if that is nothing that has a node of its own.
func reference(t hcl.Traversal) string {
	if len(t) == 0 {
		return ""
	}
	first, ok := t[0].(hcl.TraverseRoot)
	if !ok {
		return ""
	}
	root, rest := first.Name, t[1:]
	switch root {
	case "count", "each", "path", "self", "terraform", "tofu":
		return ""
	case "var", "local":
		return join(root, rest, 1)
	case "data", "ephemeral":
		return join(root, rest, 2)
	case "resource":
		if name := join(root, rest, 2); name != "" {
			return name[len("resource."):]
		}
		return ""
	case "module":
		return moduleReference(rest)
	}
	return join(root, rest, 1)
}

// moduleReference is an output where one is named, else the whole module.
func moduleReference(t hcl.Traversal) string {
	call := join("module", t, 1)
	if call == "" || len(t) == 1 {
		return call
	}
	t = t[1:]
	if _, ok := t[0].(hcl.TraverseIndex); ok {
		t = t[1:]
	}
	if len(t) == 0 {
		return call
	}
	return join(call, t, 1)
}

// join is the root and n names after it, or "" if there are fewer.
func join(root string, t hcl.Traversal, n int) string {
	if len(t) < n {
		return ""
	}
	for _, step := range t[:n] {
		attr, ok := step.(hcl.TraverseAttr)
		if !ok {
			return ""
		}
		root += "." + attr.Name
	}
	return root
}

// traversal is an expression that is nothing but a reference; engines still take a quoted one.
func traversal(e hcl.Expression) (hcl.Traversal, error) {
	if quoted, ok := e.(*hclsyntax.TemplateExpr); ok && quoted.IsStringLiteral() {
		value, diags := quoted.Value(nil)
		if diags.HasErrors() || value.Type() != cty.String {
			return nil, errors.New("a reference is no string")
		}
		t, diags := hclsyntax.ParseTraversalAbs([]byte(value.AsString()), "", hcl.InitialPos)
		if diags.HasErrors() {
			return nil, diags
		}
		return t, nil
	}
	t, diags := hcl.AbsTraversalForExpr(e)
	if diags.HasErrors() {
		return nil, diags
	}
	return t, nil
}

// listed are the references of depends_on.
func listed(e hcl.Expression) (references, error) {
	list, diags := hcl.ExprList(e)
	if diags.HasErrors() {
		return nil, diags
	}
	var all references
	for _, e := range list {
		t, err := traversal(e)
		if err != nil {
			return nil, err
		}
		name := reference(t)
		if name == "" {
			return nil, fmt.Errorf("depends_on refers to %q", t.RootName())
		}
		all = append(all, name)
	}
	return all, nil
}

// providerName is a provider configuration as a module calls it: NAME or NAME.ALIAS.
func providerName(e hcl.Expression) (string, error) {
	t, err := traversal(e)
	if err != nil {
		return "", err
	}
	switch len(t) {
	case 1:
		return t.RootName(), nil
	case 2:
		if name := join(t.RootName(), t[1:], 1); name != "" {
			return name, nil
		}
	}
	return "", errors.New("a provider configuration with a key")
}

// keyword is an expression that is a single word.
func keyword(e hcl.Expression) (string, error) {
	t, err := traversal(e)
	if err != nil || len(t) != 1 {
		return "", errors.New("no keyword")
	}
	return t.RootName(), nil
}
