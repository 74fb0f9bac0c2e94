package modules

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A tree is a work directory: file contents by name. A name with a slash at its end is a directory, a content that
// begins with "-> " a link.
type tree map[string]string

func (files tree) write(t *testing.T) string {
	t.Helper()
	work := t.TempDir()
	for name, content := range files {
		at := filepath.Join(work, filepath.FromSlash(name))
		dir := filepath.Dir(at)
		if strings.HasSuffix(name, "/") {
			dir = at
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, at)
		} else if dir != at {
			err = os.WriteFile(at, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return work
}

// manifestOf writes a manifest in the engine's format from "KEY SOURCE DIR" lines.
func manifestOf(lines ...string) string {
	type entry struct{ Key, Source, Dir string }
	entries := []entry{{Dir: "."}}
	for _, line := range lines {
		fields := strings.Fields(line)
		entries = append(entries, entry{fields[0], fields[1], fields[2]})
	}
	text, err := json.Marshal(map[string]any{"Modules": entries})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// listing describes each entry of a tar in a line.
func listing(t *testing.T, archive []byte) []string {
	t.Helper()
	var lines []string
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 1000 || header.Gid != 1000 || header.Uname != "" || header.Gname != "" || header.ModTime.Unix() != 0 {
			t.Errorf("%s tells more than its name: %+v", header.Name, header)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if header.Name == manifestName {
			content = []byte("MANIFEST")
		}
		if len(content) > 20 {
			content = fmt.Appendf(nil, "%d bytes", len(content))
		}
		lines = append(lines, fmt.Sprintf("%c %o %s %s", header.Typeflag, header.Mode, header.Name, content))
	}
}

func TestArchive(t *testing.T) {
	const dir = ".terraform/modules/"
	cases := []struct {
		name  string
		files tree
		want  []string
	}{
		{name: "no manifest", files: tree{dir + "a/main.tf": "a"}},
		{name: "no fetched module", files: tree{dir + "modules.json": manifestOf("a ./a a"), "a/main.tf": "a"}},
		{name: "no regular file", files: tree{dir + "modules.json": manifestOf("a git::x " + dir + "a"), dir + "a/b/": ""}},
		{name: "directory is missing", files: tree{dir + "modules.json": manifestOf("a git::x " + dir + "a")}},
		{
			name: "smallest first, then by key",
			files: tree{
				dir + "modules.json":        manifestOf("a x "+dir+"a", "z x "+dir+"z", "b x "+dir+"b", "local ./l l"),
				dir + "a/main.tf":           "larger than z",
				dir + "z/main.tf":           "tie",
				dir + "b/main.tf":           "tie",
				dir + "b/empty/":            "",
				dir + "not-in-manifest.txt": "x",
				"l/main.tf":                 "local",
			},
			want: []string{
				"5 755 .terraform/modules/b/ ",
				"5 755 .terraform/modules/b/empty/ ",
				"0 644 .terraform/modules/b/main.tf tie",
				"5 755 .terraform/modules/z/ ",
				"0 644 .terraform/modules/z/main.tf tie",
				"5 755 .terraform/modules/a/ ",
				"0 644 .terraform/modules/a/main.tf larger than z",
				"0 644 .terraform/modules/modules.json MANIFEST",
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			archive, err := Archive(c.files.write(t), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, listing(t, archive)); diff != "" {
				t.Error(diff)
			}
			if len(c.want) == 0 && len(archive) != 0 {
				t.Errorf("%d bytes for nothing", len(archive))
			}
		})
	}
}
