//go:build unix

package recovery

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A template can put anything where the state is expected. Nothing of it is read, nothing hangs, and what was whole before is kept.
func TestHostileFiles(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(`{"secret":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		make func(path string) error
	}{
		{"a symlink to the outside", func(p string) error { return os.Symlink(secret, p) }},
		{"a symlink within", func(p string) error {
			inside := filepath.Join(filepath.Dir(p), "inside")
			if err := os.WriteFile(inside, []byte(`{"inside":true}`), 0o600); err != nil {
				return err
			}
			return os.Symlink("inside", p)
		}},
		{"a FIFO", func(p string) error { return syscall.Mkfifo(p, 0o600) }},
		{"a directory", func(p string) error { return os.Mkdir(p, 0o700) }},
		{"a device", func(p string) error {
			if os.Getuid() != 0 {
				return os.Symlink("/dev/zero", p)
			}
			return syscall.Mknod(p, syscall.S_IFCHR|0o600, 1<<8|5) // /dev/zero
		}},
		{"deep JSON", func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("[", 1<<20)), 0o600) }},
		{"nothing", func(string) error { return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, Options{})
			f.write(t, mainFile, `{"serial":1}`)
			k := f.begin(t)
			path := filepath.Join(f.work, mainFile)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond) // let it be seen, as it would be
			if got := finish(k); got != `{"serial":1}` {
				t.Errorf("the newest state is %.50s", got)
			}
			if err := k.Keep("why"); err != nil {
				t.Fatal(err)
			}
			f.wantList(t, `dir.1 kept (why) terraform.tfstate={"serial":1}`)
			if err := k.Unsaved(); err != nil {
				t.Errorf("the directory would stay: %v", err)
			}
		})
	}
}

// A template that exchanges the file all the time gets nothing of the outside into the store, and holds nothing up.
func TestRenameGames(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte(`{"secret":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, Options{})
	k := f.begin(t)
	path := filepath.Join(f.work, mainFile)
	real, link, pipe := path+"1", path+"2", path+"3"
	for deadline := time.Now().Add(500 * time.Millisecond); time.Now().Before(deadline); {
		for _, step := range []error{
			os.WriteFile(real, []byte(`{"ours":true}`), 0o600), os.Symlink(outside, link), syscall.Mkfifo(pipe, 0o600),
			os.Rename(real, path), os.Rename(link, path), os.Rename(pipe, path),
		} {
			if step != nil {
				t.Fatal(step)
			}
		}
	}
	k.Finish()
	if err := k.Keep("why"); err != nil {
		t.Fatal(err)
	}
	if got := f.list(t); strings.Contains(got, "secret") {
		t.Errorf("the store has %s", got)
	}
}
