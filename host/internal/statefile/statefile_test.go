package statefile

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".provisor")
	path := filepath.Join(dir, "terraform.tfstate")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if state, err := f.Read(); err != nil || state != nil {
		t.Fatalf("a new state file: %q, %v", state, err)
	}
	for _, state := range []string{"one", "two", "two", "three"} {
		if err := f.Write([]byte(state)); err != nil {
			t.Fatal(err)
		}
	}
	check := func(name, want string) {
		t.Helper()
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	check("terraform.tfstate", "three")
	check("terraform.tfstate.backup", "two")
	check(".gitignore", "*\n")
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := Open(path); !errors.Is(err, ErrLocked) {
		t.Errorf("a second Open: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if state, err := again.Read(); err != nil || string(state) != "three" {
		t.Errorf("read again: %q, %v", state, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(file, "terraform.tfstate")); err == nil {
		t.Error("a state below a file was opened")
	}
}

func TestRescue(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	path, err := Rescue([]byte("state"))
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	if got, err := os.ReadFile(path); err != nil || string(got) != "state" {
		t.Errorf("rescued %q (%v), want the state", got, err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
}
