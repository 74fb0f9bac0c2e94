package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestVariables(t *testing.T) {
	cases := []struct {
		name  string
		files map[string]string
		want  []*pb.TemplateVariable
	}{
		{
			name: "all attributes, and those of newer engines",
			files: map[string]string{"main.tf": `
				variable "a" {
				  description = "It's \"a\"."
				  type        = string
				  default     = "b"
				  sensitive   = true
				  nullable    = false
				  ephemeral   = false
				  deprecated  = "by b"
				  validation {
				    condition     = var.a != ""
				    error_message = "No."
				  }
				}`},
			want: []*pb.TemplateVariable{{
				Name: "a", Description: `It's "a".`, Type: "string", DefaultValue: "b", Sensitive: true,
			}},
		},
		{
			name:  "nothing but a name",
			files: map[string]string{"main.tf": `variable "a" {}`},
			want:  []*pb.TemplateVariable{{Name: "a", Required: true}},
		},
		{
			name:  "null is no default, no description and not sensitive",
			files: map[string]string{"main.tf": "variable \"a\" {\n  default = null\n  description = null\n  sensitive = null\n}"},
			want:  []*pb.TemplateVariable{{Name: "a", Required: true}},
		},
		{
			name:  "values of other types that become what is wanted",
			files: map[string]string{"main.tf": "variable \"a\" {\n  default = false\n  description = 1.50\n  sensitive = \"true\"\n}"},
			want:  []*pb.TemplateVariable{{Name: "a", DefaultValue: "false", Description: "1.5", Sensitive: true}},
		},
		{
			name: "order of files and lines",
			files: map[string]string{
				"b.tf":      "variable \"b2\" {}\nvariable \"a\" {}",
				"a.tf":      "\n\n\nvariable \"z\" {}",
				"B.tf":      "variable \"upper\" {}",
				"b.tf.json": `{"variable": {"y": {}, "x": {}}}`,
			},
			want: []*pb.TemplateVariable{
				{Name: "upper", Required: true}, {Name: "z", Required: true}, {Name: "b2", Required: true},
				{Name: "a", Required: true}, {Name: "y", Required: true}, {Name: "x", Required: true},
			},
		},
		{
			name: "override replaces",
			files: map[string]string{
				"main.tf":            "variable \"a\" {\n  type = string\n  description = \"a\"\n}\nvariable \"b\" {}",
				"a_override.tf":      "variable \"a\" {\n  default = \"first\"\n}",
				"override.tf":        "variable \"a\" {\n  default = \"third\"\n}",
				"b_override.tf.json": `{"variable": {"a": {"default": "second"}}}`,
			},
			want: []*pb.TemplateVariable{{Name: "b", Required: true}, {Name: "a", DefaultValue: "third"}},
		},
		{
			name: "JSON",
			files: map[string]string{"main.tf.json": `{
				"//": "a comment",
				"variable": {
					"a": {"type": "list(string)", "description": "d", "default": ["<${b}>"], "sensitive": true},
					"b": {"type": "string", "default": "${literally}"},
					"c": [{"type": "number", "default": 12345678901234567890}],
					"d": {"type": "any", "default": null}
				}
			}`},
			want: []*pb.TemplateVariable{
				{Name: "a", Type: "list(string)", Description: "d", DefaultValue: `["\u003c${b}\u003e"]`, Sensitive: true},
				{Name: "b", Type: "string", DefaultValue: "${literally}"},
				{Name: "c", Type: "number", DefaultValue: "12345678901234567890"},
				{Name: "d", Type: "any", Required: true},
			},
		},
		{
			name:  "JSON as a list",
			files: map[string]string{"main.tf.json": `[{"variable": [{"a": {}}, {"b": {}}]}, {"variable": {"c": {}}}]`},
			want:  []*pb.TemplateVariable{{Name: "a", Required: true}, {Name: "b", Required: true}, {Name: "c", Required: true}},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := parse(files(c.files), "terraform")
			if diff := cmp.Diff(&pb.ParseComplete{TemplateVariables: c.want}, got, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTypeAsWritten(t *testing.T) {
	cases := map[string]string{
		`string`:          `string`,
		`"string"`:        `string`,
		`"list"`:          `list`,
		`list( string )`:  `list( string )`,
		`map(object({}))`: `map(object({}))`,
		`5`:               `5`,
		`"${a}"`:          `"${a}"`,
		`null`:            `null`,
		"object({\n    a = string # why\n    b = optional(number, 1)\n  })": "object({\n    a = string # why\n    b = optional(number, 1)\n  })",
	}
	for written, want := range cases {
		got := parse(files(map[string]string{"main.tf": "variable \"a\" {\n  type = " + written + "\n}\n"}), "terraform")
		if got.Error != "" || got.TemplateVariables[0].Type != want {
			t.Errorf("%s: got %v, want %q", written, got, want)
		}
	}
}

func TestDefaultAsText(t *testing.T) {
	cases := map[string]string{
		`"text"`:                        `text`,
		`"<a> & \"b\"\n"`:               "<a> & \"b\"\n",
		"<<-E\n    one\n      two\n  E": "one\n  two\n",
		`""`:                            ``,
		`"$${a}"`:                       `${a}`,
		`true`:                          `true`,
		`1`:                             `1`,
		`-1`:                            `-1`,
		`1.0`:                           `1`,
		`0.1`:                           `0.1`,
		`1.5e3`:                         `1500`,
		`1e-7`:                          `1e-7`,
		`9007199254740993`:              `9007199254740993`,
		`-12345678901234567890123`:      `-12345678901234567890123`,
		`60 * 60 * 24`:                  `86400`,
		`1 / 3`:                         `0.3333333333333333`,
		`true ? "a" : "b"`:              `a`,
		`"${1 + 1}"`:                    `2`,
		`[]`:                            `[]`,
		`{}`:                            `{}`,
		`["a", 1, null, [true]]`:        `["a",1,null,[true]]`,
		`{ b = 1, a = { "c d" = [] } }`: `{"a":{"c d":[]},"b":1}`,
		`["<>&\u2028"]`:                 `["\u003c\u003e\u0026\u2028"]`,
		`{ (1 + 1) = "a" }`:             `{"2":"a"}`,
	}
	for written, want := range cases {
		got := parse(files(map[string]string{"main.tf": "variable \"a\" {\n  default = " + written + "\n}\n"}), "terraform")
		if got.Error != "" || got.TemplateVariables[0].DefaultValue != want || got.TemplateVariables[0].Required {
			t.Errorf("%s: got %v, want %q", written, got, want)
		}
	}
}
