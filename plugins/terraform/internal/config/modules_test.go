package config

import (
	"testing"
	"testing/fstest"
)

func TestCallsModules(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		want             bool
	}{
		{"none", "main.tf", `resource "terraform_data" "a" { input = path.module }`, false},
		{"one", "main.tf", `module "m" { source = "./m" }`, true},
		{"one without quotes", "main.tf", "module m {\n  source = \"./m\"\n}", true},
		{"one in JSON", "main.tf.json", `{"m\u006fdule": {"m": {"source": "./m"}}}`, true},
		{"one in a file of the other engine", "main.tofu", `module "m" { source = "./m" }`, false},
		{"one in another directory", "m/main.tf", `module "m" { source = "./m" }`, false},
		{"what can't be read", "main.tf", `module`, true},
	} {
		fsys := fstest.MapFS{c.file: &fstest.MapFile{Data: []byte(c.text)}}
		if got := callsModules(fsys, "terraform"); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
