package plainhcl

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// sameTree compares all of a tree but the places. There are as many, since HCL's own code counts on that.
var sameTree = cmp.Options{
	cmp.Comparer(func(a, b hcl.Range) bool { return true }),
	cmpopts.EquateEmpty(),
	cmpopts.IgnoreUnexported(hclsyntax.Body{}, hclsyntax.AnonSymbolExpr{}, hcl.TraverseRoot{}, hcl.TraverseAttr{}, hcl.TraverseIndex{}),
	cmp.Comparer(func(a, b cty.Value) bool {
		return a.RawEquals(b) && (a.IsNull() || a.Type() != cty.Number || a.AsBigFloat().Prec() == b.AsBigFloat().Prec())
	}),
	cmp.Comparer(func(a, b *hclsyntax.Operation) bool { return a == b }),
}

// reused is for all texts, as in a guest: nothing of one may be left in the tree of the next.
var reused Parser

// check compares a tree with the one of HCL's own parser, if there is one. The same, in other words: what is plain is right, and no error.
func check(t *testing.T, text string) (plain bool) {
	t.Helper()
	if first, length := reused.Parse(text, 0); first != nil { // also if what follows is not plain
		checkTree(t, text[:length], first)
	}
	got, length := reused.Parse(text, len(text))
	if got == nil {
		return false
	}
	if length != len(text) {
		t.Fatalf("of %q, %d bytes are taken", text, length)
	}
	checkTree(t, text, got)
	return true
}

func checkTree(t *testing.T, text string, got *hclsyntax.Body) {
	t.Helper()
	want, diags := hclsyntax.ParseConfig([]byte(text), "", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%q is taken, but: %v", text, diags)
	}
	if diff := cmp.Diff(want.Body, hcl.Body(got), sameTree); diff != "" {
		t.Fatalf("%q (-want +got):\n%s", text, diff)
	}
}

func TestPart(t *testing.T) {
	const text = "a {\n}\n\n# b\nc = <<E\n}\nE\nd {}\ne = 1e1\n"
	for size, want := range map[int]string{
		0: "a {\n}\n", 6: "a {\n}\n", 7: "a {\n}\n\n# b\nc = <<E\n}\nE\n", len("a {\n}\n\n# b\nc = <<E\n}\nE\n") + 1: "a {\n}\n\n# b\nc = <<E\n}\nE\nd {}\n",
		len(text): "",
	} {
		if _, length := new(Parser).Parse(text, size); text[:length] != want {
			t.Errorf("of %d bytes: %q, want %q", size, text[:length], want)
		}
	}
	// What the bound cuts off is no end.
	for _, end := range []string{"b", "#b", "b = 1", "\n", "b = c ", "b {}"} {
		text := strings.Repeat("\n", maxText-len(end)) + end
		if _, length := new(Parser).Parse(text, len(text)); length != len(text) && end != "b" {
			t.Errorf("%d bytes that end in %q: %d", len(text), end, length)
		}
		if tree, length := new(Parser).Parse(text+"d\n", 2*len(text)); tree != nil || length != 0 {
			t.Errorf("%d bytes are taken of %d that have %qd at the bound", length, len(text)+2, end)
		}
	}
}

func TestPlain(t *testing.T) {
	for _, text := range []string{
		"", "\n", "# c", "// c\n/* d\n */", "a = 1\r\nb = 2\r\n",
		"a {}", "a \"b\" c {\n}\n", "a { b = 1 }", "a {\n\n  b {\n    c = d\n  }\n  e = f # g\n}",
		`a = b.c["d"].e[0][f.g][true]`, "a = b[*].c[*][0]", `a = [b[*], "${c}", "d${e}f", "", "\n\"\\\t\r$${%%{"]`,
		"a = b(c, d...)\ne = f()\ng = h(\n  1,\n  2, # i\n)", "a = [\n  1,\n  2.50,\n  007\n]",
		"a = { b = 1, \"c\" : 2, (d) = 3\n e.f = 4\n\n}", "a = {}\nb = [{\n  c = 1\n}, {\nd = 2\n}]",
		"a = [for b in c : d if e]", "a = {\n  for b, c in d : e => f...\n  if g\n}", "a = { format = 1 }\nb = [format, fork]",
		"a = b ? c : d ? e : f", "a = !b || -c.d + 1 == 2 * (\n3\n) % 4 / 5 - 6 && 7 <= 8 && 9 >= 10 && 11 < 12 && 13 > 14 && 15 != 16",
		"a b c \"d\" e f {\n}\n", "a = true\nb = false\nc = null\nd = nullable", "a = \"$b %c 100%\"\nb = \"5$\"", "a = \"ü\" # ö",
		"a = <<E\nb ${c} d\n  $e\nE\n", "a = [<<E\nE\n]\n", "a = <<-E\n    b\n\n  c\n \n  ${d}\n\t  e\n  E\nf = 1\n", "a = <<-E\r\n  b\r\n\r\n    c\r\n  E\r\n",
		"a = <<E\n${{\n  b = <<F\nc\nF\n}}\nE\n", "a = <<-E\n  $${b} %%{c}\n      d\n  E\n",
	} {
		if !check(t, text) {
			t.Errorf("%q is refused", text)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, text := range []string{
		"a", "a {", "a }", "a =", "a = 1 b = 2", "a = 1\na = 2", "a {\n b = 1 }", "a { b {} }", "a = b.", "a = b..c", "a = \"b", "a = \"b\nc\"", "a = [1", "a = {b}",
		"a = b.0", "a = b.*.c", "a = 1e3", "a = 0x1", "a = 1.2.3", "a = b::c()", "a = \"%{ if b }%{ endif }\"", "a = \"${~ b ~}\"", "a = \"\\u0041\"", "a = <<E\n", "a = <<E", "a = <<E\nE", "a = <<E\n\rE\n", "a = <<-E\n  \u00a0b\n  E\n",
		"ü = 1", "aü = 1", "\ufeffa = 1", "a = \"\xff\"", "a = 1;", "a = 'b'", "a = b & c", "\x00", "a = \"\x00\"", "a \"${b}\" {}", "/* a",
		"a = " + strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000), "a = 1" + strings.Repeat("+1", 1000), "a = b" + strings.Repeat("[c]", 1000),
		"a = " + strings.Repeat("!", 1000) + "b", strings.Repeat("a {\n", 1000) + strings.Repeat("}\n", 1000), "a = " + strings.Repeat("b ? c : ", 1000) + "d",
		strings.Repeat("\n", maxText+1),
	} {
		if check(t, text) {
			t.Errorf("%.100q is taken", text)
		}
	}
}

// Texts of random words and signs find more than a fuzzer does, which knows nothing of the syntax.
func TestRandomTexts(t *testing.T) {
	words := strings.Split("a b c for in if true null \" \" \"x\" ${ } } $ % $${ %%{ $${b} %{ = = = == => ! != < <= > >= && || + - * / % ? : , , . ... [ ] [ ] [ ] ( ) ( ) { } { } "+
		"[*] .* 0 1 12.5 1e3 ü \\\" \\ ~ :: | ' ; \r <<E <<-E", " ")
	words = append(words, " ", " ", " ", "\t", "\n", "\n", "\n", "\r\n", "# c\n", "// d\n", "/* e */", "<<E\n", "<<-E\n", "\nE\n", "\n  E\n", "  f")
	frames := []string{
		"%s", "a = %s\n", "a {\n  b = %s\n}\n", "a = [%s]\n", "a = {\n%s}\n", "a = \"%s\"\n", "a = \"${%s}\"\n", "a = <<E\n%sE\n", "a = <<-E\n  %s\n  E\n", "a \"b\" %s",
		"a = f(%s)\n", "a = [for b in %s]\n", "a = {for b, c in %s}\n", "a = b ? %s",
	}
	plain := 0
	const texts = 50_000
	for i := range texts {
		random := rand.New(rand.NewPCG(uint64(i), 0))
		var b strings.Builder
		for range 1 + random.IntN(9) {
			b.WriteString(words[random.IntN(len(words))])
		}
		if check(t, fmt.Sprintf(frames[random.IntN(len(frames))], &b)) {
			plain++
		}
	}
	if plain < texts/20 {
		t.Errorf("%d of %d texts are plain: the others prove nothing", plain, texts)
	}
}

func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, "resource \"terraform_data\" \"m%d\" {\n  input = { agent = coder_agent.main.id, name = \"m-${local.name}\" }\n}\n", i)
	}
	for name, parse := range map[string]func([]byte) bool{
		"plain": func(text []byte) bool {
			tree, _ := new(Parser).Parse(string(text), len(text))
			return tree != nil
		},
		"HCL's": func(text []byte) bool {
			_, diags := hclsyntax.ParseConfig(text, "", hcl.InitialPos)
			return !diags.HasErrors()
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if !parse([]byte(text.String())) {
					b.Fatal("it is refused")
				}
			}
		})
	}
}

// FuzzParse: what is taken is what HCL's own parser makes of it.
func FuzzParse(f *testing.F) {
	f.Add("resource \"a\" \"b\" {\n  c = d.e[0].f[*].g[\"h\"]\n  i { j = \"k ${l ? m : \"n\"} o\" }\n}\n")
	f.Add("a = {for b, c in d : e => f... if !g && h(i, j...) >= -1}\nk = [for l in m : n]\no = [\n1,\n2.5 # p\n]\n")
	f.Add("a = <<-E\n    b $${c} $d\n\n  ${e}\n  E\nf = <<G\r\n%h\r\nG\r\n/* i */ // j\nk = { (l) : m, n = o\np = q }\n")
	f.Fuzz(func(t *testing.T, text string) { check(t, text) })
}
