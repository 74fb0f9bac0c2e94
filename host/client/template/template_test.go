package template

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, dir, name, content string, mode os.FileMode) {
	t.Helper()
	full := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	got := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got[h.Name] = h.FileInfo().Mode().String() + " " + string(content)
	}
}

func TestPack(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permission bits and links are POSIX's")
	}
	dir := t.TempDir()
	write(t, dir, "main.tf", "a", 0o644)
	write(t, dir, "sub/run.sh", "b", 0o755)
	write(t, dir, ".terraform.lock.hcl", "lock", 0o644)
	for _, name := range []string{".git/HEAD", ".terraform/x", ".provisor/terraform.tfstate", "terraform.tfstate", "x.tfstate.backup", "sub/.terraform/y"} {
		write(t, dir, name, "no", 0o600)
	}
	for link, target := range map[string]string{"inside.tf": "main.tf", "outside": "/etc/passwd", "dangling": "nowhere", "up": "../" + filepath.Base(dir) + "/main.tf"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	var warnings []string
	archive, err := Pack(dir, Options{Warn: func(s string) { warnings = append(warnings, strings.SplitN(s, ":", 2)[0]) }})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		".terraform.lock.hcl": "-rw-r--r-- lock", "main.tf": "-rw-r--r-- a", "inside.tf": "-rw-r--r-- a",
		"sub/": "drwxr-xr-x ", "sub/run.sh": "-rwxr-xr-x b",
	}
	if diff := cmp.Diff(want, names(t, archive)); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
	slices.Sort(warnings)
	if diff := cmp.Diff([]string{"dangling", "outside", "up"}, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	again, err := Pack(dir, Options{})
	if err != nil || !bytes.Equal(archive, again) {
		t.Errorf("a second archive differs (err %v)", err)
	}
}

func TestPackRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "big", strings.Repeat("x", 5000), 0o644)
	many := t.TempDir()
	for i := range 100 {
		write(t, many, fmt.Sprint("empty", i), "", 0o644)
		if err := os.Mkdir(filepath.Join(many, fmt.Sprint("dir", i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	exact := t.TempDir()
	write(t, exact, "file", "x", 0o644)
	if archive, err := Pack(exact, Options{MaxBytes: 2048}); err != nil || len(archive) != 2048 {
		t.Errorf("an archive that is as large as may be: %d bytes, %v", len(archive), err)
	}
	for name, test := range map[string]struct {
		dir  string
		max  int64
		want string
	}{
		"missing":    {filepath.Join(dir, "nowhere"), 0, "template directory"},
		"a file":     {filepath.Join(dir, "big"), 0, "not a directory"},
		"over limit": {dir, 4096, "big: with it the template's archive has more than 4096 bytes"},
		"just over":  {exact, 2047, "file: with it the template's archive has more than 2047 bytes"},
		"many files": {many, 50_000, "dir95/: with it the template's archive has more than 50000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Pack(test.dir, Options{MaxBytes: test.max}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
