package config

import (
	"os"

	"github.com/hashicorp/hcl/v2"
)

// VariableTypes are the types of the variables of the module in dir, as they are written, by name. Override files are merged as engines do
// it: one that says no type leaves the type. What can't be read is left out; to complain of it is an engine's business.
func VariableTypes(dir, engine string) map[string]string {
	types := make(map[string]string)
	fsys := os.DirFS(dir)
	sources, err := findSources(fsys, engine)
	if err != nil {
		return types
	}
	// What is wrong with one file does not keep the others from being read.
	_ = load(fsys, sources, func(f *file) hcl.Diagnostics {
		for _, block := range f.content.Blocks.OfType("variable") {
			content, _, _ := block.Body.PartialContent(variableSchema)
			if content == nil {
				continue
			}
			if attr, ok := content.Attributes["type"]; ok {
				types[printable(block.Labels[0])] = printable(typeText(attr.Expr, f.bytes))
			}
		}
		return nil
	})
	return types
}
