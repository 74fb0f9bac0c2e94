package watchdir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestChanges(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"sub/below", ".git"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w, err := New(func(name string) bool { return strings.HasSuffix(name, ".wasm") }, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	changed := func(patience time.Duration) bool {
		select {
		case <-w.Changes():
			return true
		case <-time.After(patience):
			return false
		}
	}
	write := func(name string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"main.go", "sub/a", "sub/below/a", "new/below/a"} {
		write(name)
		if !changed(10 * time.Second) {
			t.Fatalf("%s was written, and nothing told", name)
		}
	}
	write("new/below/b")
	write("main.go")
	if !changed(10*time.Second) || changed(3*Settle) {
		t.Error("two changes at once are to be one")
	}
	for _, name := range []string{".hidden", ".git/index", "a.wasm"} {
		write(name)
		if changed(3 * Settle) {
			t.Errorf("%s was written, which does not matter, and it was told", name)
		}
	}
	if err := os.Remove(filepath.Join(dir, "sub/a")); err != nil {
		t.Fatal(err)
	}
	if !changed(10 * time.Second) {
		t.Error("a file was removed, and nothing told")
	}
}

func TestNoDirectory(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	if w, err := New(nil, missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("got %v, %v", w, err)
	}
}
