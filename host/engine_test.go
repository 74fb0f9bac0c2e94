package host

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An operator may replace the engine's binary while the daemon runs: sessions that begin from then on are told the version that it is.
func TestEngineThatIsReplaced(t *testing.T) {
	dir, log := t.TempDir(), new(bytes.Buffer)
	path := filepath.Join(dir, "engine.exe")
	build := func(says string) {
		t.Helper()
		source := filepath.Join(dir, "main.go")
		program := fmt.Sprintf("package main\nimport \"os\"\nfunc main() { os.Stdout.WriteString(%q) }", says)
		if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("go", "build", "-o", path, source).CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
	}
	o := Options{CacheDir: t.TempDir(), Log: slog.New(slog.NewTextHandler(log, nil))}
	s := &engineSlot{options: o.engineOptions(EngineOptions{Path: path, Version: "~> 1.2"})}
	current := func(want string) {
		t.Helper()
		e, err := s.current(t.Context())
		if err != nil || e.Version != want {
			t.Errorf("got %+v, %v, want %s", e, err, want)
		}
	}
	if e, err := s.current(t.Context()); e != nil || err != nil {
		t.Errorf("got %v, %v before it was looked for", e, err)
	}
	build("Terraform v1.2.3\n")
	if _, err := s.find(t.Context()); err != nil {
		t.Fatal(err)
	}
	current("1.2.3")
	build("Terraform v1.3.0\n")
	current("1.3.0")
	if !strings.Contains(log.String(), `msg="the engine has been replaced" path=`+path+` was="terraform 1.2.3" is="terraform 1.3.0"`) {
		t.Errorf("the log has %s", log)
	}
	build("Terraform v2.0.0\n")
	if e, err := s.current(t.Context()); err == nil || !strings.Contains(err.Error(), "version ~> 1.2 is wanted") {
		t.Errorf("got %v, %v", e, err)
	}
	build("Terraform v1.3.0\n")
	current("1.3.0")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	current("1.3.0") // which shows when it is run, and in the daemon's health
}
