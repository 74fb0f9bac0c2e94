package scaffold

import (
	"bytes"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/provisor/provisor/host/internal/sandbox/compiler/compilertest"
	"github.com/provisor/provisor/host/kit"
)

// TestNewPlugin takes a new plugin through all that its author is told: its tests, and the conformance kit.
func TestNewPlugin(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a plugin")
	}
	dir, err := New(t.Context(), Options{Name: "first", Dir: filepath.Join(t.TempDir(), "a directory")})
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("go %v: %v\n%s", args, err, out)
		}
	}
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(sources) == 0 {
		t.Fatal(sources, err)
	}
	for _, name := range sources {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if formatted, err := format.Source(b); err != nil || !bytes.Equal(b, formatted) {
			t.Errorf("%s is not formatted: %v", name, err)
		}
	}
	kit.Test(t, dir)
}

func TestNewWritesWhatItIsTold(t *testing.T) {
	dir, err := New(t.Context(), Options{Name: "my-plugin-2", Dir: t.TempDir(), Module: "git.example/me/my-plugin-2"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"go.mod": "module git.example/me/my-plugin-2\n", "plugin.hcl": `name        = "my-plugin-2"`, "README.md": "my-plugin-2.wasm",
		".gitignore": "*.wasm", "main.go": "Command my-plugin-2 is", "example/resources.txt": "server web", "go.sum": "protobuf",
	} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v\n%s\nlacks %q", name, err, b, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	full := t.TempDir()
	kept := filepath.Join(full, "main.go")
	if err := os.WriteFile(kept, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		o    Options
		want string
	}{
		{Options{Name: ""}, "a name is"},
		{Options{Name: "Big"}, "a name is"},
		{Options{Name: "../up"}, "a name is"},
		{Options{Name: "a\nb"}, "a name is"},
		{Options{Name: "-a"}, "a name is"},
		{Options{Name: "a", Dir: full}, "is not empty"},
		{Options{Name: "a", Dir: kept}, kept},
		{Options{Name: "a", Dir: filepath.Join(kept, "below")}, kept},
		{Options{Name: "a", Dir: t.TempDir(), Module: "no module"}, "path of a Go module"},
		{Options{Name: "a", Dir: t.TempDir(), Module: "a\n\nreplace x => y"}, "path of a Go module"},
	} {
		if dir, err := New(t.Context(), test.o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %q, %v, want %q", test.o, dir, err, test.want)
		}
	}
	if b, err := os.ReadFile(kept); err != nil || string(b) != "mine" {
		t.Errorf("what was there is now %q, %v", b, err)
	}
}
