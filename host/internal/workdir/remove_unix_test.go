//go:build unix

package workdir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/provisor/provisor/host/internal/tenant"
)

func TestRemoveCopes(t *testing.T) {
	victim := t.TempDir()
	if err := os.WriteFile(filepath.Join(victim, "precious"), []byte("x"), 0o400); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		make func(dir string) error
	}{
		{"many files", func(dir string) error {
			for i := range 2000 {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600); err != nil {
					return err
				}
			}
			return nil
		}},
		{"directories without permissions", func(dir string) error {
			for _, mode := range []os.FileMode{0o000, 0o500, 0o200} {
				d := filepath.Join(dir, mode.String())
				if err := os.MkdirAll(filepath.Join(d, "a", "b"), 0o700); err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(d, "a", "b", "file"), nil, 0o400); err != nil {
					return err
				}
				for _, sub := range []string{"a/b", "a", ""} {
					if err := os.Chmod(filepath.Join(d, sub), mode); err != nil {
						return err
					}
				}
			}
			return os.Chmod(filepath.Dir(dir), 0) // the session's root
		}},
		{"symlinks to the outside", func(dir string) error {
			sub := filepath.Join(dir, "locked")
			if err := os.Mkdir(sub, 0o700); err != nil {
				return err
			}
			for name, target := range map[string]string{"a": victim, "b": "../../..", "c": "/", "d": filepath.Join(victim, "precious")} {
				if err := os.Symlink(target, filepath.Join(sub, name)); err != nil {
					return err
				}
			}
			return os.Chmod(sub, 0o500)
		}},
		{"odd things", func(dir string) error {
			if err := os.Mkdir(filepath.Join(dir, strings.Repeat("x", 255)), 0o500); err != nil {
				return err
			}
			if err := os.Mkdir(filepath.Join(dir, "new\nline\xff"), 0); err != nil {
				return err
			}
			return syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600)
		}},
		{"a deep tree", deepTree},
	}
	for _, test := range tests {
		for name, do := range map[string]func(func()){"": func(f func()) { f() }, " as another user": asNobody(t)} {
			t.Run(test.name+name, func(t *testing.T) {
				root := nobodysDir(t)
				do(func() {
					s, _ := open(t, root)
					session := create(t, s, tenant.Default)
					if err := test.make(session.Work); err != nil {
						t.Fatal(err)
					}
					if err := session.Remove(); err != nil {
						t.Error(err)
					}
					if exists(session.Root) {
						t.Error("it is still there")
					}
				})
				if info, err := os.Stat(filepath.Join(victim, "precious")); err != nil || info.Mode() != 0o400 {
					t.Errorf("something outside was touched: %v, %v", info, err)
				}
			})
		}
	}
}

// deepTree makes a tree deeper than any path may be long, with a locked directory at its end.
func deepTree(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { root.Close() }()
	for range 1500 {
		if err := root.Mkdir("deeper", 0o700); err != nil {
			return err
		}
		next, err := root.OpenRoot("deeper")
		if err != nil {
			return err
		}
		root.Close()
		root = next
	}
	if err := root.MkdirAll("locked/file", 0o700); err != nil {
		return err
	}
	return root.Chmod("locked", 0o500)
}

// The fallback alone copes with everything that the fast path usually does.
func TestEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "top", "a", "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 1500 {
		if err := os.MkdirAll(filepath.Join(dir, "top", fmt.Sprint("d", i%50), fmt.Sprint(i)), 0o500|0o200); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", filepath.Join(dir, "top", "link")); err != nil {
		t.Fatal(err)
	}
	parent, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Close()
	if err := empty(parent, "top"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "top")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
