package config

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func FuzzParse(f *testing.F) {
	f.Add("variable \"a\" {\n  type = list(string)\n  default = [1, \"${2}\"]\n}\n", `{"variable": {"b": {"default": {"c": 1e3}}}}`)
	f.Add("data \"coder_workspace_tags\" \"t\" {\n  tags = { \"a\" = b.c, (d) : e }\n}\n", `{"data": []}`)
	f.Add("terraform {\n  backend \"s3\" {}\n  cloud {}\n}\n", `[{"terraform": [{"backend": {"local": {"path": "x"}}}]}]`)
	f.Add("a = <<-E\n  %{ if b ~}\n  c\n  %{~ else }${d}%{ endif }\nE\n", `{"//": null}`)
	f.Add("variable \"a\" {\n  default = {for k, v in {}: k => v...}\n  description = 1e999\n}\n", "\xff")
	f.Fuzz(func(t *testing.T, native, json string) {
		root := files(map[string]string{"a.tf": native, "b.tf.json": json, "c_override.tf": native, "README.md": native})
		got := parse(root, "terraform")
		texts := []string{got.Error}
		for _, v := range got.TemplateVariables {
			texts = append(texts, v.Name, v.Type, v.Description, v.DefaultValue)
			if v.Required && v.DefaultValue != "" {
				t.Errorf("%s is required, but has the default %q", v.Name, v.DefaultValue)
			}
		}
		for key, value := range got.WorkspaceTags {
			texts = append(texts, key, value)
		}
		if text := strings.Join(texts, "\n"); !utf8.ValidString(text) {
			t.Errorf("not UTF-8: %q", text)
		}
		if got.Error != "" && (got.TemplateVariables != nil || got.WorkspaceTags != nil) {
			t.Errorf("an error, and an answer all the same: %v", got)
		}
		if override, err := localState(root, "tofu"); err == nil && override != nil && !utf8.ValidString(override.Warning) {
			t.Errorf("not UTF-8: %q", override.Warning)
		}
	})
}

// The depth that is measured before parsing must not be less than what the parser makes of the text.
func FuzzDepth(f *testing.F) {
	f.Add("a = ((1))\nb { c { d = [[\"${[1]}\"]] } }")
	f.Add("a = {for k in x : k => !\n!\n-1\n+ 1 ? 2 : \n3 ? 4 : 5}")
	f.Add("a = \"%{ if a }%{ for b in c }%{ endif }%{ if d }%{ endfor }%{ endif }\"")
	f.Add("a = b[*][*].*.c[0][1] && d || e == f\n\n/* [ */ # ]\nb = <<E\n${{a = [1]}}\nE\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10_000 {
			return
		}
		tokens, _ := hclsyntax.LexConfig([]byte(text), "main.tf", hcl.InitialPos)
		measured, d := 0, newDepth()
		for i, token := range tokens {
			d.take(token, tokens[i+1:])
			measured = max(measured, d.total)
		}
		if len(tokens) > measure([]byte(text)).tokens+1 { // the end is a token, too
			t.Errorf("%d tokens, measured %d", len(tokens), measure([]byte(text)).tokens)
		}
		if bound := measure([]byte(text)).depth; measured > 2*bound+2*strings.Count(text, `"`)+1 {
			t.Errorf("measured %d, bound %d", measured, bound)
		}
		parsed, _ := hclsyntax.ParseConfig([]byte(text), "main.tf", hcl.InitialPos)
		walker := &depthWalker{}
		hclsyntax.Walk(parsed.Body.(*hclsyntax.Body), walker)
		// A block is four nodes, everything else less.
		if walker.deepest > 4*measured+4 {
			t.Errorf("the tree is %d deep, measured %d", walker.deepest, measured)
		}
	})
}

type depthWalker struct{ depth, deepest int }

func (w *depthWalker) Enter(hclsyntax.Node) hcl.Diagnostics {
	w.depth++
	w.deepest = max(w.deepest, w.depth)
	return nil
}

func (w *depthWalker) Exit(hclsyntax.Node) hcl.Diagnostics {
	w.depth--
	return nil
}
