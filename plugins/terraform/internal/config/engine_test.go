package config

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The override has to convince the real engines, in each place where a backend can be.
func TestOverrideOnEngines(t *testing.T) {
	const resource = "\nresource \"terraform_data\" \"x\" {\n  input = \"y\"\n}\n"
	const s3 = "terraform {\n  backend \"s3\" {\n    bucket = \"b\"\n    key = \"k\"\n    region = \"us-east-1\"\n  }\n}\n"
	cases := map[string]map[string]string{
		"native": {"main.tf": s3 + resource},
		"JSON": {
			"main.tf": resource, "backend.tf.json": `{"terraform": {"backend": {"http": {"address": "http://127.0.0.1:1/"}}}}`,
		},
		"override that comes late": {
			"main.tf": resource + "terraform {\n  backend \"local\" {}\n}\n", "zz_override.tf": s3, "override.tf.json": "{}",
		},
		"local elsewhere": {"main.tf": resource + "terraform {\n  backend \"local\" {\n    path = \"other/state\"\n  }\n}\n"},
	}
	for _, engine := range []string{"terraform", "tofu"} {
		path, err := exec.LookPath(engine)
		if err != nil {
			t.Logf("%s is not on the PATH: not tested", engine)
			continue
		}
		for name, content := range cases {
			t.Run(engine+"/"+name, func(t *testing.T) {
				t.Parallel()
				checkStateIsLocal(t, engine, path, content)
			})
		}
	}
}

// checkStateIsLocal applies a template with its override, and finds the state where it belongs.
func checkStateIsLocal(t *testing.T, engine, path string, content map[string]string) {
	dir := t.TempDir()
	for name, text := range content {
		writeFile(t, filepath.Join(dir, name), text)
	}
	override, err := LocalState(dir, engine)
	if err != nil || override == nil {
		t.Fatalf("override %v, error %v", override, err)
	}
	writeFile(t, filepath.Join(dir, override.Name), string(override.Content))
	for _, args := range [][]string{
		{"init", "-no-color", "-input=false"},
		{"plan", "-no-color", "-input=false", "-out=terraform.tfplan"},
		{"apply", "-no-color", "-input=false", "-auto-approve", "terraform.tfplan"},
	} {
		command := exec.CommandContext(t.Context(), path, args...)
		command.Dir = dir
		command.Env = []string{
			"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "CHECKPOINT_DISABLE=1", "AWS_EC2_METADATA_DISABLED=true",
		}
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, output)
		}
	}
	var state struct {
		Resources []struct{ Type, Name string }
	}
	text, err := os.ReadFile(filepath.Join(dir, "terraform.tfstate"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &state); err != nil || len(state.Resources) != 1 {
		t.Errorf("state %s, error %v", text, err)
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
