package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVariableTypes(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"a.tf":        "variable \"zones\" {\n  type = list(string)\n}\nvariable \"size\" {\n  type = \"number\"\n  default = file(\"x\")\n}\nvariable \"any\" {}\n",
		"override.tf": "variable \"zones\" {\n  default = [\"a\"]\n}\nvariable \"size\" {\n  type = string\n}\n",
		// Parse has errors to tell of these; a plan does without.
		"tags.tf":   "data \"coder_workspace_tags\" \"t\" {\n  tags = merge({}, {})\n}\n",
		"broken.tf": "variable \"lost\" {\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"zones": "list(string)", "size": "string"}
	if diff := cmp.Diff(want, VariableTypes(dir, "terraform")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := VariableTypes(filepath.Join(dir, "nowhere"), ""); len(got) != 0 {
		t.Errorf("no directory: %v", got)
	}
}
