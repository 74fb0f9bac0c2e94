package modules

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// A tree is a work directory: file contents by name. A name with a slash at its end is a directory, a content that
// begins with "-> " a link.
type tree map[string]string

func (files tree) write(t testing.TB) string {
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
	long := strings.Repeat("directory-with-a-long-name/", 12) + "ünïcode.tf"
	cases := []struct {
		name  string
		files tree
		want  []string
	}{
		{name: "no manifest", files: tree{dir + "a/main.tf": "a"}},
		{name: "no fetched module", files: tree{dir + "modules.json": manifestOf("a ./a a"), "a/main.tf": "a"}},
		{name: "no regular file", files: tree{dir + "modules.json": manifestOf("a git::x " + dir + "a"), dir + "a/b/": ""}},
		{name: "directory is missing", files: tree{dir + "modules.json": manifestOf("a git::x " + dir + "a")}},
		{name: "directory is a file", files: tree{dir + "modules.json": manifestOf("a x " + dir + "a"), dir + "a": "x"}},
		{
			name: "smallest first, then by key",
			files: tree{
				dir + "modules.json":        manifestOf("a x "+dir+"1", "z x "+dir+"2", "b x "+dir+"3", "local ./l l"),
				dir + "1/main.tf":           "larger than z",
				dir + "2/main.tf":           "tie",
				dir + "3/main.tf":           "tie",
				dir + "3/empty/":            "",
				dir + "not-in-manifest.txt": "x",
				"l/main.tf":                 "local",
			},
			want: []string{
				"5 755 .terraform/modules/3/ ",
				"5 755 .terraform/modules/3/empty/ ",
				"0 644 .terraform/modules/3/main.tf tie",
				"5 755 .terraform/modules/2/ ",
				"0 644 .terraform/modules/2/main.tf tie",
				"5 755 .terraform/modules/1/ ",
				"0 644 .terraform/modules/1/main.tf larger than z",
				"0 644 .terraform/modules/modules.json MANIFEST",
			},
		},
		{
			name: "lexical walk",
			files: tree{
				dir + "modules.json": manifestOf("a x " + dir + "a"),
				dir + "a/b.tf":       "1", dir + "a/b/z.tf": "2", dir + "a/b-c/y.tf": "3", dir + "a/B.tf": "4",
			},
			want: []string{
				"5 755 .terraform/modules/a/ ",
				"0 644 .terraform/modules/a/B.tf 4",
				"5 755 .terraform/modules/a/b/ ",
				"0 644 .terraform/modules/a/b/z.tf 2",
				"5 755 .terraform/modules/a/b-c/ ",
				"0 644 .terraform/modules/a/b-c/y.tf 3",
				"0 644 .terraform/modules/a/b.tf 1",
				"0 644 .terraform/modules/modules.json MANIFEST",
			},
		},
		{
			name: "links and git are left out",
			files: tree{
				dir + "modules.json": manifestOf("a x "+dir+"a", "b x "+dir+"b", "c x "+dir+"a/link", "d x "+dir+"a/.git"),
				dir + "a/main.tf":    "a", dir + "a/.git/config": "git", dir + "a/sub/.git": "gitdir: x", dir + "a/.gitignore": "i",
				dir + "a/link": "-> /etc", dir + "a/passwd": "-> /etc/passwd", dir + "b": "-> a", dir + "a/dangling": "-> nowhere",
			},
			want: []string{
				"5 755 .terraform/modules/a/ ",
				"0 644 .terraform/modules/a/.gitignore i",
				"0 644 .terraform/modules/a/main.tf a",
				"5 755 .terraform/modules/a/sub/ ",
				"0 644 .terraform/modules/modules.json MANIFEST",
			},
		},
		{
			name: "modules within each other, and twice the same",
			files: tree{
				dir + "modules.json":  manifestOf("a x "+dir+"a", "a.b ./b "+dir+"a/b", "c x "+dir+"a", "a.c ./c "+dir+"a/./c/../b/"),
				dir + "a/main.tf":     "outer",
				dir + "a/b/main.tf":   "inner",
				dir + "a/b/c/main.tf": "i",
			},
			want: []string{
				"5 755 .terraform/modules/a/b/ ",
				"5 755 .terraform/modules/a/b/c/ ",
				"0 644 .terraform/modules/a/b/c/main.tf i",
				"0 644 .terraform/modules/a/b/main.tf inner",
				"5 755 .terraform/modules/a/ ",
				"0 644 .terraform/modules/a/main.tf outer",
				"0 644 .terraform/modules/modules.json MANIFEST",
			},
		},
		{
			name: "names that leave",
			files: tree{
				dir + "modules.json": manifestOf("a x ../a", "b x "+dir+"../../b", "c x /etc", "d x "+dir, "e x .terraform/modulesx/e",
					"f x "+dir+"x/../../../b", "g x "+dir+"g"),
				"b/secret": "s", ".terraform/modulesx/e/secret": "s", dir + "g/main.tf": "g",
			},
			want: []string{
				"5 755 .terraform/modules/g/ ",
				"0 644 .terraform/modules/g/main.tf g",
				"0 644 .terraform/modules/modules.json MANIFEST",
			},
		},
		{
			name:  "the directory of modules is a link",
			files: tree{"other/modules.json": manifestOf("a x " + dir + "a"), "other/a/main.tf": "a", ".terraform/modules": "-> ../other"},
		},
		{
			name:  "the manifest is a link",
			files: tree{"other.json": manifestOf("a x " + dir + "a"), dir + "a/main.tf": "a", dir + "modules.json": "-> ../../other.json"},
		},
		{
			name:  "long names",
			files: tree{dir + "modules.json": manifestOf("a x " + dir + "a/" + filepath.Dir(long)), dir + "a/" + long: "a"},
			want: []string{
				"5 755 .terraform/modules/a/" + filepath.Dir(long) + "/ ",
				"0 644 .terraform/modules/a/" + long + " a",
				"0 644 .terraform/modules/modules.json MANIFEST",
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			archive, err := Archive(c.files.write(t), Options{Warn: func(text string) { t.Errorf("warned: %s", text) }})
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

func TestArchiveIsStable(t *testing.T) {
	files := tree{
		installed + "/modules.json": manifestOf("a x "+installed+"/a", "b x "+installed+"/b"),
		installed + "/a/main.tf":    "a", installed + "/a/run.sh": "#!/bin/sh\n", installed + "/b/main.tf": "b",
	}
	var digests []string
	for i, mode := range []os.FileMode{0o755, 0o700} {
		work := files.write(t)
		script := filepath.Join(work, filepath.FromSlash(installed+"/a/run.sh"))
		if err := os.Chmod(script, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(script, time.Time{}, time.Now().Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
		archive, err := Archive(work, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(listing(t, archive), "0 755 .terraform/modules/a/run.sh #!/bin/sh\n") {
			t.Errorf("the script can't be run: %q", listing(t, archive))
		}
		digests = append(digests, fmt.Sprintf("%x", sha256.Sum256(archive)))
	}
	// The bytes are a promise: a client keeps them by their hash.
	const want = "41a7e98c0064c3013a5d85172a1b07f031163f2ae2e3f7c62b348d002c73624f"
	if diff := cmp.Diff([]string{want, want}, digests); diff != "" {
		t.Error(diff)
	}
}

func TestModesAreAskedFor(t *testing.T) {
	work := tree{installed + "/modules.json": manifestOf("a x " + installed + "/a"), installed + "/a/run.sh": "x"}.write(t)
	var asked []string
	archive, err := Archive(work, Options{Mode: func(path string) (fs.FileMode, error) {
		asked = append(asked, path)
		return 0o711, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{filepath.Join(work, installed, "a", "run.sh")}, asked); diff != "" {
		t.Error(diff)
	}
	if lines := listing(t, archive); lines[1] != "0 755 .terraform/modules/a/run.sh x" {
		t.Error(lines)
	}
	refused := errors.New("refused")
	_, err = Archive(work, Options{Mode: func(string) (fs.FileMode, error) { return 0, refused }})
	if want := "archive modules: read the mode of .terraform/modules/a/run.sh: refused"; !errors.Is(err, refused) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Three modules of 1, 2 and 3 blocks of content; each has two headers, and so have the manifest and the end.
func TestArchiveLimit(t *testing.T) {
	content := func(blocks int) string { return strings.Repeat("x", blocks*block) }
	manifest := manifestOf("c source-of-c "+installed+"/c", "a source-of-a "+installed+"/a", "b source-of-b "+installed+"/b")
	if len(manifest) > block {
		t.Fatal("the manifest is longer than assumed")
	}
	work := tree{
		installed + "/modules.json": manifest,
		installed + "/a/main.tf":    content(1), installed + "/b/main.tf": content(2), installed + "/c/main.tf": content(3),
	}.write(t)
	const fixed = (2 + 2) * block // manifest and end
	a, b, c := 3*block, 4*block, 5*block
	cases := []struct {
		limit   int
		modules string
		warning string
	}{
		{limit: fixed + a + b + c, modules: "abc"},
		{limit: fixed + a + b + c - 1, modules: "ab", warning: "c:source-of-c"},
		{limit: fixed + a + b, modules: "ab", warning: "c:source-of-c"},
		{limit: fixed + a + b - 1, modules: "a", warning: "c:source-of-c, b:source-of-b"},
		{limit: fixed + a, modules: "a", warning: "c:source-of-c, b:source-of-b"},
		{limit: fixed + a - 1, warning: "c:source-of-c, b:source-of-b, a:source-of-a"},
	}
	for _, test := range cases {
		warning := ""
		archive, err := Archive(work, Options{limit: test.limit, Warn: func(text string) { warning = text }})
		if err != nil {
			t.Fatal(err)
		}
		packed := ""
		for _, line := range listing(t, archive) {
			if strings.HasSuffix(line, "bytes") {
				packed += strings.Split(line, "/")[2]
			}
		}
		want := ""
		if test.warning != "" {
			want = "the module files are limited to 20 MiB, these modules are left out: " + test.warning
		}
		if packed != test.modules || warning != want || len(archive) > test.limit {
			t.Errorf("limit %d: %d bytes of %q, warned %q; want %q, %q", test.limit, len(archive), packed, warning, test.modules, want)
		}
		if test.modules == "" && archive != nil {
			t.Errorf("limit %d: an archive of nothing", test.limit)
		}
	}
}

// A module of many tiny files is small by its content, yet does not fit; that must not cost the others their place.
func TestArchiveLimitCountsBlocks(t *testing.T) {
	files := tree{
		installed + "/modules.json":  manifestOf("many x "+installed+"/many", "one x "+installed+"/one"),
		installed + "/one/main.tf":   strings.Repeat("x", 5*block),
		installed + "/many/main.tf/": "",
	}
	for i := range 40 {
		files[fmt.Sprintf("%s/many/%d.tf", installed, i)] = "x"
	}
	warning := ""
	archive, err := Archive(files.write(t), Options{limit: 20 * block, Warn: func(text string) { warning = text }})
	if err != nil {
		t.Fatal(err)
	}
	if lines := listing(t, archive); len(lines) != 3 || !strings.HasSuffix(warning, ": many:x") {
		t.Errorf("packed %q, warned %q", lines, warning)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(manifestOf("a x .terraform/modules/a", "b x .terraform/modules/a/b")))
	f.Add([]byte(manifestOf("a x .terraform/modules/../../secret", "b x .terraform/modules/a/link", "c x //")))
	f.Add([]byte(`{"Modules":[{"Key":"a","Source":"x","Version":"1","Dir":".terraform/modules/a\u0000"}, null, {"Dir": 1}]}`))
	work := tree{
		"secret/file": "secret", ".terraform/secret": "secret", installed + "/a/link": "-> ../../../secret",
		installed + "/a/b/main.tf": "b",
	}.write(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(filepath.Join(work, filepath.FromSlash(manifestName)), text, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, m := range List(work) {
			if m.Source == "" || !utf8.ValidString(m.Source+m.Version+m.Key+m.Dir) {
				t.Errorf("module %v", m)
			}
		}
		archive, err := Archive(work, Options{})
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for _, line := range listing(t, archive) {
			if !strings.Contains(line, " "+installed+"/") || strings.Contains(line, "secret") && !strings.Contains(line, "MANIFEST") {
				t.Errorf("packed %s", line)
			}
			if seen[line] {
				t.Errorf("packed twice: %s", line)
			}
			seen[line] = true
		}
	})
}
