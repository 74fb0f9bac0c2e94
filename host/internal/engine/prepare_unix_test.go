//go:build unix

package engine

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// The configuration is written anew where it is not what it should be, whatever is there.
func TestConfigureInPlaceOfAnything(t *testing.T) {
	e := &Engine{Version: "1.11.4", Name: Terraform}
	dirs, err := e.Prepare(nil, t.TempDir(), "/h", "/t", 0)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(dirs.CLIConfig)
	if err != nil || len(want) == 0 {
		t.Fatalf("%q, %v", want, err)
	}
	for name, put := range map[string]func() error{
		"the same":          nil,
		"nothing":           func() error { return nil },
		"another of a size": func() error { return os.WriteFile(dirs.CLIConfig, make([]byte, len(want)), 0o400) },
		"a link":            func() error { return os.Symlink("/dev/zero", dirs.CLIConfig) },
		"a pipe":            func() error { return unix.Mkfifo(dirs.CLIConfig, 0o600) },
	} {
		if put != nil {
			if err := os.Remove(dirs.CLIConfig); err != nil {
				t.Fatal(err)
			}
			if err := put(); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.configure(dirs, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := os.Lstat(dirs.CLIConfig); err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o400 {
			t.Fatalf("%s: %v, %v", name, info, err)
		}
		if got, err := os.ReadFile(dirs.CLIConfig); err != nil || string(got) != string(want) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
}
