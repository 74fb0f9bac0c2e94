package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// repeated is a prefix, n times a part, and a suffix.
func repeated(prefix, part string, n int, suffix string) string {
	return prefix + strings.Repeat(part, n) + suffix
}

// numbered is a format n times with the numbers from 0.
func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// Each of these makes the bare HCL parser or evaluation run out of stack, memory or time. The error names the limit.
func TestHostileIsRefused(t *testing.T) {
	const variable = "variable \"x\" {\n  default = "
	const end = "\n}\n"
	deep, large := "Nesting too deep (main.tf:2)", "Configuration too large (main.tf:1)"
	cases := []struct{ name, text, want string }{
		{"brackets", repeated(variable, "[", 190_000, ""), deep},
		{"parentheses", repeated(variable, "(", 190_000, ""), deep},
		{"parentheses that close", variable + strings.Repeat("(", 90_000) + "1" + strings.Repeat(")", 90_000) + end, deep},
		{"1 MB of brackets", repeated(variable, "[", 1_000_000, ""), large},
		{"objects", repeated(variable, "{a=", 50_000, ""), deep},
		{"blocks", repeated("", "a {\n", 50_000, ""), "Nesting too deep (main.tf:1000)"},
		{"calls", repeated(variable, "f(", 50_000, ""), deep},
		{"templates", repeated(variable, `"${`, 30_000, ""), deep},
		{"negations", repeated(variable, "!", 50_000, "true"+end), deep},
		{"negations in lines", repeated(variable+"{for k in x : k => ", "!\n", 5_000, "true}"+end), "Nesting too deep (main.tf:999)"},
		{"sum", repeated(variable, "1+", 50_000, "1"+end), deep},
		{"sum in lines", repeated(variable+"{for k in x : k => 1", "\n+1", 5_000, "}"+end), "Nesting too deep (main.tf:1000)"},
		{"sum in comments", repeated(variable+"{for k in x : k => 1", "# c\n+1", 5_000, "}"+end), "Nesting too deep (main.tf:1000)"},
		{"conditionals", repeated(variable, "true?1:", 20_000, "1"+end), deep},
		{"indices", repeated(variable+"x", "[0]", 20_000, end), deep},
		{"splats", repeated(variable+"x", "[*]", 50_000, end), deep},
		{"old splats", repeated(variable+"x", ".*.a", 20_000, end), deep},
		{"if directives", repeated(variable+`"`, "%{if true}", 20_000, `"`+end), deep},
		{"if and wrong end", repeated(variable+`"`, "%{if true}%{endfor}", 10_000, `"`+end), deep},
		{"for directives in a heredoc", repeated(variable+"<<E\n", "%{for x in y}\n", 10_000, "E"+end), "Nesting too deep (main.tf:999)"},
		{"closers in comments", repeated(variable, "[/*]*/", 20_000, end), deep},
		{"closers in strings", repeated(variable, `["]",`, 20_000, end), deep},
		{"wrong closers", repeated(variable, "[)", 20_000, end), deep},
		{"lines of a heredoc", repeated(variable+"<<E\n", "line\n", 60_000, "E"+end), "Text too long (main.tf:60003)"},
		{"pieces of a string", repeated(variable+`"`, "$${", 38_000, `"`+end), "Text too long (main.tf:2)"},
		{"attributes", numbered("a%d=1\n", 200_000), large},
		{"same attribute", repeated("", "a=1\n", 200_000, ""), large},
		{"no text at all", repeated("", "\x00", 1_000_000, ""), large},
		{"bytes that are no characters", repeated("", "\xff", 1_000_000, ""), large},
		{"a number of many digits", repeated(variable, "1", 1_000_000, end), "Number too long (main.tf:2)"},
		{"a number of many values", variable + `"${1e999999999}"` + end, "Number out of range (main.tf:2)"},
		{"a tiny number", variable + `1e-99999` + end, "Number out of range (main.tf:2)"},
		{"iteration", variable + "[for x in [1, 2] : [x, x]]" + end, "Iteration not allowed (main.tf:2)"},
		{"iteration in a template", variable + `"%{for x in [1, 2]}${x}%{endfor}"` + end, "Iteration not allowed (main.tf:2)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { checkRefused(t, "main.tf", c.text, c.want) })
	}
}

func TestHostileJSONIsRefused(t *testing.T) {
	deep := "Nesting too deep (main.tf.json:1)"
	cases := []struct{ name, text, want string }{
		{"arrays", repeated("", "[", 190_000, ""), deep},
		{"arrays that close", strings.Repeat("[", 90_000) + strings.Repeat("]", 90_000), deep},
		{"objects", repeated("", `{"a":`, 20_000, ""), deep},
		{"wrong closers", repeated("", "[}", 50_000, ""), deep},
		{"closers in strings", repeated("", `["]\"]",`, 10_000, ""), deep},
		{"many elements", repeated(`{"a":[`, "1,", 300_000, ""), "Configuration too large (main.tf.json:1)"},
		{"a number of many digits", repeated(`{"a":`, "1", 100_000, "}"), "Number too long (main.tf.json:1)"},
		{
			"a number of many values", `{"variable":{"x":{"default":[{"a":1e999999999}]}}}`,
			"Number out of range (main.tf.json:1)",
		},
		{"description of many digits", `{"variable":{"x":{"description":1e999999999}}}`, "Number out of range (main.tf.json:1)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { checkRefused(t, "main.tf.json", c.text, c.want) })
	}
}

func checkRefused(t *testing.T, name, text, want string) {
	t.Helper()
	start := time.Now()
	got := parse(files(map[string]string{name: text}), "terraform")
	if prefix := "load module:\nERROR: " + want + "\n> "; !strings.HasPrefix(got.Error, prefix) {
		t.Errorf("got %.300q, want it to begin with %q", got.Error, prefix)
	}
	t.Log(time.Since(start))
}

// What is long, but no trouble, is not refused.
func TestLongIsParsed(t *testing.T) {
	script := "#!/bin/sh\n" + strings.Repeat("if [[ $x ]]; then printf '\\033[0m((((( - - -\\n'; fi # ----- [[[[\n", 3_000)
	cases := []struct{ name, text string }{
		{"a heredoc full of signs", "locals {\n  script = <<-EOT\n" + strings.ReplaceAll(script, "${", "$${") + "  EOT\n}\n"},
		{"a string full of signs", "locals {\n  art = \"" + strings.Repeat("[({-!", 5_000) + "\"\n}\n"},
		{"comments", strings.Repeat("# ---- ((( [[[ {{{\n", 5_000) + "/* " + strings.Repeat("[", 5_000) + "*/\n"},
		{"many attributes with operators", "locals {\n" + numbered("  a%d = -1 + x[0].y[*].z == 2 ? !a : b\n", 2_000) + "}\n"},
		{"many blocks", numbered("resource \"a\" \"b%d\" {\n  tags = { a = [1, 2], b = \"${x}\" }\n}\n", 2_000)},
		{"many elements", "locals {\n  list = [" + numbered("x[%d] - 1, ", 5_000) + "]\n}\n"},
		{"many lines of an object", "locals {\n  map = {\n" + numbered("    a%d = -x[1] # c\n", 5_000) + "  }\n}\n"},
		{"many directives", "locals {\n  s = \"" + strings.Repeat("%{ if a }x%{ else }y%{ endif }%{ for a in b }z%{ endfor }", 2_000) + "\"\n}\n"},
		{"long hexadecimal text", "locals {\n  s = \"" + strings.Repeat("0123456789", 10_000) + "\"\n}\n"},
		{"Chinese", "locals {\n  s = <<E\n" + strings.Repeat("模板\n", 8_000) + "E\n}\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			if got := parse(files(map[string]string{"main.tf": c.text}), "terraform"); got.Error != "" {
				t.Errorf("%.500s", got.Error)
			}
			t.Log(time.Since(start))
		})
	}
}
