package variables

import (
	"encoding/json"
	"strings"
	"testing"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestEncode(t *testing.T) {
	for _, c := range []struct{ typ, value, want string }{
		{"", `x`, `"x"`},
		{"", `["x"]`, `"[\"x\"]"`},
		{"string", `a "b" ${c} %{d} \n`, `"a \"b\" ${c} %{d} \\n"`},
		{"string", "a\nb", `"a\nb"`},
		{"string", "", `""`},
		{"number", "5", `"5"`},
		{"bool", "true", `"true"`},
		{"list(string)", `["a", 1, true, null]`, `["a",1,true,null]`},
		{"list(string)", "[\n  \"a\", # first\n  \"b\",\n]", `["a","b"]`},
		{"map(string)", `{ a = "b", "c d" : "e${"f"}" }`, `{"a":"b","c d":"ef"}`},
		{"object({ n = number })", `{ n = 12345678901234567890.125 }`, `{"n":12345678901234567890.125}`},
		{"any", `"x"`, `"x"`},
		{"any", `null`, `null`},
		{"any", `-1.5`, `-1.5`},
		{"any", `["$${x}"]`, `["${x}"]`},
		{`"string"`, "a b", `"a b"`},
	} {
		got, err := Encode([]*pb.VariableValue{{Name: "v", Value: "replaced"}, {Name: "v", Value: c.value}}, map[string]string{"v": c.typ})
		if c.typ == "list(string)" || c.typ == "map(string)" || c.typ == "any" || strings.HasPrefix(c.typ, "object") {
			got, err = Encode([]*pb.VariableValue{{Name: "v", Value: c.value}}, map[string]string{"v": c.typ})
		}
		if want := `{"v":` + c.want + `}`; err != nil || string(got) != want {
			t.Errorf("%s as %q: %s, want %s: %v", c.value, c.typ, got, want, err)
		}
	}
}

func TestEncodeSeveral(t *testing.T) {
	got, err := Encode([]*pb.VariableValue{{Name: "b", Value: "1"}, {Name: "a", Value: "2"}, {Name: "b", Value: "3"}}, nil)
	if want := `{"a":"2","b":"3"}`; err != nil || string(got) != want {
		t.Errorf("%s, want %s: %v", got, want, err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for value, want := range map[string]string{
		"hunter2":                 "Variables not allowed",
		`["hunter2"`:              "Unterminated tuple constructor expression",
		strings.Repeat("[", 5000): "Nesting too deep",
		strings.Repeat("[", 1e6):  "Configuration too large",
		"[for a in [1] : a]":      "Iteration not allowed",
		"1e999999999":             "Number out of range",
		"[\"a\"]\nx = hunter2":    "Extra characters after expression",
		`file("hunter2")`:         "Function calls not allowed",
		"":                        "Missing expression",
		`"${hunter2}"`:            "Variables not allowed",
		"{ hunter2 = hunter2 }":   "Variables not allowed",
		"1 / 0 # hunter2":         "Number out of range",
		"<<EOT\nhunter2\n":        "Unterminated template string",
	} {
		got, err := Encode([]*pb.VariableValue{{Name: "v", Value: value}}, map[string]string{"v": "list(string)"})
		if err == nil {
			t.Errorf("%q: no error, but %s", value, got)
			continue
		}
		text := err.Error()
		if !strings.Contains(text, want) || !strings.Contains(text, `variable "v"`) || !strings.Contains(text, "list(string)") {
			t.Errorf("%q: %s", value, text)
		}
		if strings.Contains(text, "hunter2") {
			t.Errorf("the error tells the value: %s", text)
		}
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("a", "b", "string")
	f.Add("a", `{"a" = [1, "${2}"]}`, "any")
	f.Fuzz(func(t *testing.T, name, value, typ string) {
		got, err := Encode([]*pb.VariableValue{{Name: name, Value: value}}, map[string]string{name: typ})
		if err == nil && !json.Valid(got) {
			t.Errorf("no JSON: %q", got)
		}
	})
}
