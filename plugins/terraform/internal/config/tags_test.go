package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tagged is a data source with the given body.
func tagged(name, body string) string {
	return "data \"coder_workspace_tags\" \"" + name + "\" {\n" + body + "\n}\n"
}

func TestWorkspaceTags(t *testing.T) {
	cases := []struct {
		name  string
		files map[string]string
		want  map[string]string
		err   string
	}{
		{
			name: "source text of every kind of expression",
			files: map[string]string{"main.tf": tagged("t", `  tags = {
    "cluster" = "developers"
    os        = data.coder_parameter.os.value
    "${var.a}" = var.b ? "c" : "d" // comment
    (local.k) : upper( "x" )
    list = [ 1,
      2 ]
    paren = (1 + 2)
    text  = "a-${var.b}", other = -1
    index = var.list[0].name
    neg = !var.no
    sum = 1 + 2 + 3
  }`)},
			want: map[string]string{
				"cluster": `"developers"`, "os": "data.coder_parameter.os.value", "${var.a}": `var.b ? "c" : "d"`,
				"(local.k)": `upper( "x" )`, "list": "[ 1,\n      2 ]", "paren": "(1 + 2)", "text": `"a-${var.b}"`, "other": "-1",
				"index": "var.list[0].name", "neg": "!var.no", "sum": "1 + 2 + 3",
			},
		},
		{
			name: "several data sources in several files",
			files: map[string]string{
				"a.tf": tagged("a", "tags = { a = 1 }") + tagged("b", "tags = { b = 2 }") + tagged("empty", "tags = {}"),
				"b.tf": tagged("c", "tags = { c = 3 }") + "data \"other\" \"x\" {\n  tags = []\n}\n",
			},
			want: map[string]string{"a": "1", "b": "2", "c": "3"},
		},
		{
			name:  "JSON is not looked at",
			files: map[string]string{"main.tf.json": `{"data": {"coder_workspace_tags": {"a": {}, "b": {"tags": {"a": "b"}}}}}`},
		},
		{
			name: "override replaces",
			files: map[string]string{
				"main.tf":     tagged("a", "tags = { a = 1 }") + tagged("b", "tags = { b = 2 }"),
				"override.tf": tagged("a", "tags = { a = 3, c = 4 }") + tagged("b", "count = 1"),
			},
			want: map[string]string{"a": "3", "b": "2", "c": "4"},
		},
		{
			name:  "twice in one",
			files: map[string]string{"main.tf": tagged("a", "tags = {\n  a = 1\n  \"a\" = 2\n}")},
			err:   `load workspace tags: main.tf:4: workspace tag "a" is defined multiple times`,
		},
		{
			name:  "twice across data sources",
			files: map[string]string{"a.tf": tagged("a", "tags = { a = 1 }"), "b.tf": tagged("b", "tags = { a = 1 }")},
			err:   `load workspace tags: b.tf:2: workspace tag "a" is defined multiple times`,
		},
		{
			name:  "without tags",
			files: map[string]string{"a.tf": tagged("a", "depends_on = []")},
			err:   `load workspace tags: a.tf:1: "tags" attribute is required by coder_workspace_tags`,
		},
		{
			name:  "tags as a block",
			files: map[string]string{"a.tf": tagged("a", "tags {\n}")},
			err:   `load workspace tags: a.tf:1: "tags" attribute is required by coder_workspace_tags`,
		},
		{
			name:  "tags that are no map",
			files: map[string]string{"a.tf": tagged("a", "tags = [1]")},
			err:   `load workspace tags: a.tf:2: "tags" attribute is expected to be a key-value map`,
		},
		{
			name:  "tags that are computed",
			files: map[string]string{"a.tf": tagged("a", "tags = merge({}, {})")},
			err:   `load workspace tags: a.tf:2: "tags" attribute is expected to be a key-value map`,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := parse(files(c.files), "terraform")
			if diff := cmp.Diff(c.want, got.WorkspaceTags); diff != "" {
				t.Error(diff)
			}
			if got.Error != c.err {
				t.Errorf("error %q, want %q", got.Error, c.err)
			}
		})
	}
}
