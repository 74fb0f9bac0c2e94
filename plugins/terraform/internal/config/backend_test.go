package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLocalState(t *testing.T) {
	const s3 = "terraform {\n  backend \"s3\" {\n    bucket = \"b\"\n  }\n}\n"
	const s3Warning = `main.tf:2: the backend "s3" is not used: the state comes and goes with each request`
	cases := []struct {
		name   string
		engine string
		files  map[string]string
		file   string // of the override, empty if there is none
		warn   string
		err    string
	}{
		{name: "no file"},
		{name: "no backend", files: map[string]string{"main.tf": "terraform {\n  required_version = \"~> 1.1\" # no backend\n}\n"}},
		{name: "backend of another directory", files: map[string]string{"child/main.tf": s3}},
		{name: "backend elsewhere in the syntax", files: map[string]string{"main.tf": "resource \"a\" \"b\" {\n  backend \"s3\" {}\n}\n"}},
		{name: "plain local", files: map[string]string{"main.tf": "terraform {\n  backend \"local\" {}\n}\n"}},
		{
			name: "local elsewhere", files: map[string]string{"main.tf": "terraform {\n  backend \"local\" {\n    path = \"x\"\n  }\n}\n"},
			file: "provisor_override.tf",
			warn: `main.tf:2: the settings of the backend "local" are not used: the state comes and goes with each request`,
		},
		{name: "s3", files: map[string]string{"main.tf": s3}, file: "provisor_override.tf", warn: s3Warning},
		{
			name: "JSON", files: map[string]string{"a.tf.json": `{"terraform": {"backend": {"http": {"address": "x"}}}}`},
			file: "provisor_override.tf",
			warn: `a.tf.json:1: the backend "http" is not used: the state comes and goes with each request`,
		},
		{
			name: "JSON with escapes", files: map[string]string{"a.tf.json": `[{"terr\u0061form": [{"b\u0061ckend": {"ht\u0074p": {}}}]}]`},
			file: "provisor_override.tf",
			warn: `a.tf.json:1: the backend "http" is not used: the state comes and goes with each request`,
		},
		{
			name: "override file", files: map[string]string{"main.tf": s3, "zz_override.tf": strings.Replace(s3, "s3", "gcs", 1)},
			file: "zz_override_override.tf",
			warn: `zz_override.tf:2: the backend "gcs" is not used: the state comes and goes with each request`,
		},
		{
			name: "override file that makes it local", files: map[string]string{"main.tf": s3, "override.tf": "terraform {\n  backend \"local\" {}\n}\n"},
		},
		{
			name: "override file of our name", files: map[string]string{"main.tf": s3, "provisor_override.tf": "locals {}\n"},
			file: "provisor_override_override.tf", warn: s3Warning,
		},
		{
			name: "override files of all our names",
			files: map[string]string{
				"main.tf": s3, "provisor_override.tf": "", "provisor_override_override.tf": "", "provisor_override_override.tf.json": "{}",
			},
			file: "provisor_override_override_override.tf", warn: s3Warning,
		},
		{
			name: "file that shadows ours", engine: "tofu", files: map[string]string{"main.tf": s3, "provisor_override.tofu": ""},
			file: "provisor_override_override.tf", warn: s3Warning,
		},
		{name: "file of the other engine", files: map[string]string{"main.tofu": s3}},
		{name: "file that is shadowed", engine: "tofu", files: map[string]string{"main.tf": s3, "main.tofu": ""}},
		{
			name: "cloud", files: map[string]string{"main.tf": "terraform {\n  cloud {\n    organization = \"o\"\n  }\n}\n"},
			err: `main.tf:2: the template has a "cloud" block, with which HCP Terraform keeps the state and may run plan and apply ` +
				`elsewhere; here the state comes and goes with each request: remove the block`,
		},
		{
			name: "cloud in JSON", files: map[string]string{"main.tf.json": `{"terraform": {"cloud": {}}}`},
			err: `main.tf.json:1: the template has a "cloud" block, with which HCP Terraform keeps the state and may run plan and ` +
				`apply elsewhere; here the state comes and goes with each request: remove the block`,
		},
		{
			name: "state store", files: map[string]string{"main.tf": "terraform {\n  state_store \"x_y\" {\n    provider \"x\" {}\n  }\n}\n"},
			err: `main.tf:2: the template has a "state_store" block, with which a provider keeps the state; here the state comes ` +
				`and goes with each request: remove the block`,
		},
		{
			name: "syntax error after the backend", files: map[string]string{"main.tf": s3 + "x {"},
			file: "provisor_override.tf", warn: s3Warning,
		},
		{
			name: "file that is not parsed", files: map[string]string{"main.tf": "# backend\nx = " + strings.Repeat("[", 2000)},
			err: "look for a backend: load module:\nERROR: Nesting too deep (main.tf:2)\n" +
				"> Brackets, templates and operators are nested more than 1000 deep here.",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := localState(files(c.files), c.engine)
			if c.err != "" || err != nil {
				if err == nil || err.Error() != c.err {
					t.Fatalf("got %v, want %q", err, c.err)
				}
				return
			}
			var want *Override
			if c.file != "" {
				want = &Override{Name: c.file, Content: []byte(overrideContent), Warning: c.warn}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLeftOut(t *testing.T) {
	cases := map[string]bool{
		"main.tf":                             false,
		".terraform.lock.hcl":                 false,
		"terraform.tfvars":                    false,
		"scripts/.terraform-version":          false,
		"tfplan":                              false,
		"plan.tfplan.md":                      false,
		"docs/my-terraform.tfstate":           false,
		"terraform.tfstate":                   true,
		"./terraform.tfstate":                 true,
		"a/../terraform.tfstate":              true,
		"terraform.tfstate.backup":            true,
		"terraform.tfstate.d/dev/x.json":      true,
		"terraform.tfstate.1699999999.backup": true,
		"module/terraform.tfstate":            true,
		"errored.tfstate":                     true,
		"a.tfplan":                            true,
		"plans/b.tfplan":                      true,
		".terraform":                          true,
		".terraform/":                         true,
		".terraform/modules/modules.json":     true,
		"./module/.terraform/providers/x/y":   true,
	}
	for name, want := range cases {
		reason, got := LeftOut(name)
		if got != want || got != (reason != "") {
			t.Errorf("%s: %v %q, want %v", name, got, reason, want)
		}
	}
}
