package config

import (
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// readParts reads a text in parts of so many bytes, at least, and returns them with all that they say.
func readParts(text string, size int) (parts []string, all *hclsyntax.Body, err error) {
	all = &hclsyntax.Body{Attributes: make(hclsyntax.Attributes)}
	bodies := NewBodies(files(map[string]string{"main.tf": text}), "terraform", 10*len(text)+1)
	bodies.partSize, bodies.plain = size, false // the parser for plain text tells no places
	err = bodies.Each(".", func(b Body) error {
		body := b.Body.(*hclsyntax.Body)
		parts = append(parts, string(b.Text))
		all.Blocks = append(all.Blocks, body.Blocks...)
		maps.Copy(all.Attributes, body.Attributes)
		return nil
	})
	return parts, all, err
}

func TestParts(t *testing.T) {
	const block = "a {\n  b = 1\n}\n"
	for name, want := range map[string][]string{
		"nothing":                      {""},
		"blocks":                       {block, block},
		"lines' ends of another kind":  {"a {\r\n}\r\n", "b {\r\n}\r\n"},
		"no line's end":                {block, "a {\n}"},
		"something behind the brace":   {"a {\n} # c\n" + block, block},
		"something in between":         {block, "\n# c\n" + block},
		"an object":                    {"a {\nb = {\n}\n}\n" + block, block},
		"a heredoc":                    {"a {\n  b = <<E\nf() {\n}\ng() {\n}\nE\n}\n" + block, block},
		"a comment":                    {"/*\n{\n}\n*/\n" + block, block},
		"braces that do not come late": {"a {\n}\n", "a {\n}\n"},
	} {
		text := strings.Join(want, "")
		got, _, err := readParts(text, 1)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got, _, err := readParts(strings.Repeat(block, 1000), partSize); err != nil || len(got) != 1000*len(block)/(partSize+len(block))+1 {
		t.Errorf("%d parts, %v", len(got), err)
	}
	_, _, err := readParts(strings.Repeat(block, 1000)+"a {", partSize)
	var diags hcl.Diagnostics
	if !errors.As(err, &diags) || diags[0].Subject.Start.Line != 3001 {
		t.Errorf("error %v, want one in line 3001", err)
	}
}

// Lines that are nothing but a brace, within texts and blocks, don't make plain text something that is parsed otherwise.
func TestPlainParts(t *testing.T) {
	text := strings.Repeat("a {\n  b = <<E\n"+strings.Repeat("f() {\n}\n", 1000)+"E\n}\n"+"c {\n"+strings.Repeat("d {\n}\n", 1000)+"}\n", 10)
	var parts []string
	err := NewBodies(files(map[string]string{"main.tf": text}), "terraform", 0).Each(".", func(b Body) error {
		parts = append(parts, string(b.Text))
		return nil
	})
	if err != nil || len(parts) < 10 || strings.Join(parts, "") != text {
		t.Errorf("%d parts, %v", len(parts), err)
	}
	text += "a = 1e1\n"
	err = NewBodies(files(map[string]string{"main.tf": text}), "terraform", 1).Each(".", func(Body) error { return nil })
	if !errors.Is(err, ErrNotPlain) {
		t.Errorf("error %v, want %v", err, ErrNotPlain)
	}
}

// What the parser takes as a whole says the same in parts.
func FuzzParts(f *testing.F) {
	f.Add("a {\n}\nb \"c\" {\n  d = [\n    {\n}\n  ]\n}\n\n# }\ne {\r\n}\r\nf {}")
	f.Add("a {\n  b = <<-E\n    ${c({\n})}\n}\n    %{ if d ~}\n}\n    %{ endif }\n  E\n}\ng = \"${{\n}\n}\"\n")
	f.Add("/*\n}\n*/ a {\n}\n// b\n}\n")
	f.Fuzz(func(t *testing.T, text string) {
		whole, diags := parseBody([]byte(text), source{name: "main.tf"}, hcl.InitialPos, newBudget())
		if diags.HasErrors() {
			return
		}
		want := whole.Body.(*hclsyntax.Body)
		parts, got, err := readParts(text, 1)
		if err != nil {
			t.Fatalf("in parts, %q is an error: %v", text, err)
		}
		if strings.Join(parts, "") != text {
			t.Errorf("the parts %q are not %q", parts, text)
		}
		if !reflect.DeepEqual(want.Attributes, got.Attributes) || len(want.Blocks) != len(got.Blocks) {
			t.Fatalf("%q says something else in parts", text)
		}
		for i, b := range want.Blocks {
			if !reflect.DeepEqual(b, got.Blocks[i]) {
				t.Errorf("block %d of %q is another in parts", i, text)
			}
		}
	})
}
