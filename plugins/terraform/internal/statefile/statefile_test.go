//go:build unix

package statefile

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const state = `{"version":4,"resources":[]}`

func TestWriteAndRead(t *testing.T) {
	d := Dir{Path: t.TempDir()}
	if exists, err := d.Exists(); exists || err != nil {
		t.Fatalf("Exists: %v, %v", exists, err)
	}
	if got, err := d.Latest(); got != nil || err != nil {
		t.Fatalf("Latest without a state: %q, %v", got, err)
	}
	for _, s := range []string{state, `{"version":5}`} {
		if err := d.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Latest(); string(got) != s || err != nil {
			t.Errorf("Latest: %q, %v", got, err)
		}
	}
	info, err := os.Stat(filepath.Join(d.Path, Name))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state's mode is %v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(d.Path); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	for range 2 {
		if err := d.Remove(Name); err != nil {
			t.Error(err)
		}
	}
	if exists, err := d.Exists(); exists || err != nil {
		t.Errorf("Exists after Remove: %v, %v", exists, err)
	}
}

func TestLatest(t *testing.T) {
	const other = `{"version":4,"serial":7}`
	for _, c := range []struct {
		name          string
		state, failed string
		max           int64
		want, err     string
	}{
		{name: "what the engine had to leave counts first", state: state, failed: other, want: other},
		{name: "nothing but that", failed: other, want: other},
		{name: "an empty file is no state", state: "\x00empty"},
		{name: "cut", state: state[:10], err: "is not whole"},
		{name: "cut, but the other is whole", state: state, failed: other[:5], want: state, err: "errored.tfstate is not whole"},
		{name: "too large", state: state, max: 5, err: "has 28 bytes, and the limit is 5"},
		{name: "just right", state: state, max: 28, want: state},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Dir{Path: t.TempDir(), MaxBytes: c.max}
			for name, content := range map[string]string{Name: c.state, Errored: c.failed} {
				if content == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(d.Path, name), []byte(strings.TrimPrefix(content, "\x00empty")), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := d.Latest()
			if string(got) != c.want {
				t.Errorf("state %q, want %q", got, c.want)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

func TestWhatIsNoFile(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		make func(path string) error
		err  string
	}{
		"link":           {func(p string) error { return os.Symlink(secret, p) }, "a symbolic link"},
		"dangling link":  {func(p string) error { return os.Symlink("nowhere", p) }, "a symbolic link"},
		"named pipe":     {func(p string) error { return syscall.Mkfifo(p, 0o600) }, "a named pipe"},
		"directory":      {func(p string) error { return os.Mkdir(p, 0o700) }, "a directory"},
		"link to device": {func(p string) error { return os.Symlink("/dev/zero", p) }, "a symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, file := range []string{Name, Errored} {
				d := Dir{Path: t.TempDir()}
				if err := c.make(filepath.Join(d.Path, file)); err != nil {
					t.Skip(err)
				}
				if got, err := d.Latest(); got != nil || err == nil || !strings.Contains(err.Error(), file+" is "+c.err) {
					t.Errorf("%s: read %q, %v", file, got, err)
				}
			}
			d := Dir{Path: t.TempDir()}
			_ = c.make(filepath.Join(d.Path, Name))
			if exists, err := d.Exists(); !exists || err != nil {
				t.Errorf("Exists: %v, %v", exists, err)
			}
			err := d.Write([]byte(`{"new":true}`))
			if name == "directory" {
				if entries, _ := os.ReadDir(d.Path); err == nil || len(entries) != 1 {
					t.Errorf("Write over a directory: %v, left %v", err, entries)
				}
				return
			}
			if got, latestErr := d.Latest(); err != nil || latestErr != nil || string(got) != `{"new":true}` {
				t.Errorf("after Write: %q, %v, %v", got, err, latestErr)
			}
			if b, _ := os.ReadFile(secret); string(b) != state {
				t.Errorf("the link's target was written: %q", b)
			}
		})
	}
}
