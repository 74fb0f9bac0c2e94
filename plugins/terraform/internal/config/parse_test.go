package config

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// files makes a root directory of file contents by name.
func files(content map[string]string) fstest.MapFS {
	fsys := make(fstest.MapFS)
	for name, text := range content {
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return fsys
}

func TestParse(t *testing.T) {
	const broken = "variable \"a\" {\n"
	const brokenError = `load module:
ERROR: Unclosed configuration block (main.tf:1)
> There is no closing brace for this block before the end of the file. This may
> be caused by incorrect brace nesting elsewhere in this file.`
	cases := []struct {
		name  string
		files map[string]string
		want  *pb.ParseComplete
	}{
		{name: "nothing", want: &pb.ParseComplete{}},
		{
			name:  "README alone",
			files: map[string]string{"README.md": "# Hi"},
			want:  &pb.ParseComplete{Readme: []byte("# Hi")},
		},
		{
			name: "everything",
			files: map[string]string{
				"README.md": "# Hi",
				"main.tf":   "variable \"a\" {}\ndata \"coder_workspace_tags\" \"t\" {\n  tags = { k = \"v\" }\n}\n",
			},
			want: &pb.ParseComplete{
				Readme:            []byte("# Hi"),
				TemplateVariables: []*pb.TemplateVariable{{Name: "a", Required: true}},
				WorkspaceTags:     map[string]string{"k": `"v"`},
			},
		},
		{
			name:  "README with a module that can't be parsed",
			files: map[string]string{"README.md": "# Hi", "main.tf": broken},
			want:  &pb.ParseComplete{Error: brokenError, Readme: []byte("# Hi")},
		},
		{
			name: "variables are left out with an error in the tags",
			files: map[string]string{
				"README.md": "# Hi",
				"main.tf":   "variable \"a\" {}\ndata \"coder_workspace_tags\" \"t\" {\n}\n",
			},
			want: &pb.ParseComplete{
				Error:  `load workspace tags: main.tf:2: "tags" attribute is required by coder_workspace_tags`,
				Readme: []byte("# Hi"),
			},
		},
		{
			name: "files that engines pass over",
			files: map[string]string{
				".main.tf": broken, "main.tf~": broken, "#main.tf#": broken, "main.tf.bak": broken, "a.tf/b.tf": broken,
				"child/main.tf": broken, "terraform.tfvars": broken, "x.tftest.hcl": broken, "main.tofu": broken,
			},
			want: &pb.ParseComplete{},
		},
		{
			name:  "text that is not UTF-8",
			files: map[string]string{"main.tf": "variable \"a\" {\n  type = list( # \xff\n  string)\n}\n", "README.md": "\xff"},
			want: &pb.ParseComplete{
				TemplateVariables: []*pb.TemplateVariable{{Name: "a", Type: "list( # \uFFFD\n  string)", Required: true}},
				Readme:            []byte("\xff"),
			},
		},
		{
			name:  "README that is too big",
			files: map[string]string{"README.md": strings.Repeat("x", maxReadme+1)},
			want:  &pb.ParseComplete{Error: "README.md is bigger than the limit of 2097152 bytes"},
		},
		{
			name:  "texts that are too big",
			files: map[string]string{"main.tf": "variable \"a\" {\n  default = \"" + strings.Repeat("x", maxAnswer) + "\"\n}\n"},
			want: &pb.ParseComplete{
				Error: "load module: variables and workspace tags have 1048577 bytes of text, the limit is 1048576",
			},
		},
		{
			name:  "file that is too big",
			files: map[string]string{"main.tf": strings.Repeat(" ", maxFile+1)},
			want: &pb.ParseComplete{Error: `load module:
ERROR: Failed to read file (main.tf:1)
> The configuration file "main.tf" could not be read: main.tf is bigger than the
> limit of 4194304 bytes.`},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := parse(files(c.files), "terraform")
			if diff := cmp.Diff(c.want, got, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSourcesOfEngines(t *testing.T) {
	variable := func(name string) string { return "variable \"" + name + "\" {}\n" }
	root := files(map[string]string{
		"both.tf":            variable("both_tf"),
		"both.tofu":          variable("both_tofu"),
		"json.tf.json":       `{"variable":{"json_tf":{}}}`,
		"json.tofu.json":     `{"variable":{"json_tofu":{}}}`,
		"mixed.tf":           variable("mixed_tf"),
		"mixed.tofu.json":    `{"variable":{"mixed_tofu_json":{}}}`,
		"only.tf":            variable("only_tf"),
		"only_override.tofu": variable("only_override"),
	})
	cases := map[string][]string{
		"terraform": {"both_tf", "json_tf", "mixed_tf", "only_tf"},
		"tofu":      {"both_tofu", "json_tofu", "mixed_tf", "mixed_tofu_json", "only_tf", "only_override"},
	}
	for engine, want := range cases {
		var got []string
		for _, v := range parse(root, engine).TemplateVariables {
			got = append(got, v.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", engine, diff)
		}
	}
}

func TestDiagnostics(t *testing.T) {
	cases := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{
			name: "several files, several problems",
			files: map[string]string{
				"a.tf": "variable \"x\" {\n  default = var.y\n}\n\nvariable {\n}\n",
				"b.tf": "variable \"x\" {}\nresource \"one\" {\n}\n",
			},
			want: `load module:
ERROR: Missing name for variable (a.tf:5)
> All variable blocks must have 1 labels (name).

ERROR: Variables not allowed (a.tf:2)
> Variables may not be used here.

ERROR: Missing name for resource (b.tf:2)
> All resource blocks must have 2 labels (type, name).

ERROR: Duplicate variable declaration (b.tf:1)
> The variable "x" is declared already at a.tf:1. Variables need different
> names.`,
		},
		{
			name:  "character",
			files: map[string]string{"main.tf": "a;b"},
			want: `load module:
ERROR: Invalid character (main.tf:1)
> The ";" character is not valid. Use newlines to separate arguments and blocks,
> and commas to separate items in collection values.

ERROR: Argument or block definition required (main.tf:1)
> An argument or block definition is required here. To set an argument, use the
> equals sign "=" to introduce the argument value.`,
		},
		{
			name:  "JSON",
			files: map[string]string{"main.tf.json": "{\n  \"variable\": {\"a\": {}}}\n}"},
			want: `load module:
ERROR: Extraneous data after value (main.tf.json:3)
> Extra characters appear after the JSON value.`,
		},
		{
			name:  "function",
			files: map[string]string{"main.tf": "variable \"x\" {\n  default = upper(\"x\")\n}\n"},
			want: `load module:
ERROR: Function calls not allowed (main.tf:2)
> Functions may not be called here.`,
		},
		{
			name:  "interpolation",
			files: map[string]string{"main.tf": "variable \"x\" {\n  default = \"a${local.b}\"\n}\n"},
			want: `load module:
ERROR: Variables not allowed (main.tf:2)
> Variables may not be used here.`,
		},
		{
			name:  "description and sensitive",
			files: map[string]string{"main.tf": "variable \"x\" {\n  description = []\n  sensitive = 1\n}\n"},
			want: `load module:
ERROR: Unsuitable value type (main.tf:2)
> A description must be a string.

ERROR: Unsuitable value type (main.tf:3)
> "sensitive" must be true or false.`,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := parse(files(c.files), "terraform").Error
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestManyDiagnosticsAreCut(t *testing.T) {
	got := parse(files(map[string]string{"main.tf": strings.Repeat("a b c\n", 1000)}), "terraform").Error
	if n := strings.Count(got, "\nERROR: "); n != maxDiagnostics {
		t.Errorf("%d diagnostics, want %d", n, maxDiagnostics)
	}
	if !strings.HasSuffix(got, "\n\n950 more are left out") {
		t.Errorf("it ends with %q", got[len(got)-100:])
	}
}
