package plugin

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// age makes all in a directory look as if it had been there for a while.
func age(t *testing.T, dir string) {
	t.Helper()
	then := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, then, then)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The Go command is only asked where something may have changed.
func TestStamp(t *testing.T) {
	needsGo(t)
	parent, cache := t.TempDir(), t.TempDir()
	dir := filepath.Join(parent, "small")
	files := map[string]string{
		"go.mod": "module example.com/small\n\ngo 1.24\n", "main.go": "import _ \"example.com/small/other\"\n", SourceFile: goodHCL,
		"other/other.go": "package other\n\nimport \"embed\"\n\n//go:embed texts\nvar FS embed.FS\n", "other/texts/a/b.txt": "text",
	}
	files["main.go"] = strings.Replace(smallPlugin, "import", files["main.go"]+"import", 1)
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, []byte(text))
	}
	build := func() (output, workshop string) {
		t.Helper()
		output, err := BuildCached(t.Context(), dir, BuildOptions{CacheDir: cache})
		if err != nil {
			t.Fatal(err)
		}
		return output, filepath.Dir(output)
	}
	// However slowly this goes on, it is as if one file were written while the plugin is built.
	soon := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "main.go"), soon, soon); err != nil {
		t.Fatal(err)
	}
	_, workshop := build()
	if _, ok := fresh(workshop); ok {
		t.Error("sources that were written a moment ago are trusted")
	}
	age(t, parent)
	output, _ := build()
	if got, ok := fresh(workshop); !ok || got != output {
		t.Fatalf("got %q, %t", got, ok)
	}

	for name, change := range map[string]func(t *testing.T){
		"a file of the same size": func(t *testing.T) { writeFile(t, filepath.Join(dir, "main.go"), []byte(files["main.go"])) },
		"a file in another package": func(t *testing.T) {
			writeFile(t, filepath.Join(dir, "other", "other.go"), []byte(files["other/other.go"]))
		},
		"a new file":                  func(t *testing.T) { writeFile(t, filepath.Join(dir, "other", "new.go"), []byte("package other")) },
		"the manifest":                func(t *testing.T) { writeFile(t, filepath.Join(dir, SourceFile), []byte(goodHCL)) },
		"the module":                  func(t *testing.T) { writeFile(t, filepath.Join(dir, "go.mod"), []byte(files["go.mod"])) },
		"an embedded file":            func(t *testing.T) { writeFile(t, filepath.Join(dir, "other", "texts", "a", "b.txt"), []byte("TEXT")) },
		"a new embedded file":         func(t *testing.T) { writeFile(t, filepath.Join(dir, "other", "texts", "a", "c.txt"), nil) },
		"a workspace":                 func(t *testing.T) { writeFile(t, filepath.Join(parent, "go.work"), []byte("go 1.24\nuse ./small\n")) },
		"the Go command's settings":   func(t *testing.T) { t.Setenv("GOFLAGS", "-tags=x") },
		"what was built":              func(t *testing.T) { writeFile(t, output, []byte("other")) },
		"what was built, gone":        func(t *testing.T) { os.Remove(output) },
		"the stamp":                   func(t *testing.T) { writeFile(t, filepath.Join(workshop, stampFile), []byte("{}")) },
		"the stamp, to no stamp":      func(t *testing.T) { writeFile(t, filepath.Join(workshop, stampFile), []byte("stamp")) },
		"the sums, which are not yet": func(t *testing.T) { writeFile(t, filepath.Join(dir, "go.sum"), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			if _, ok := fresh(workshop); !ok {
				t.Fatal("it is not fresh though nothing has changed")
			}
			before := map[string][]byte{}
			for _, path := range []string{output, filepath.Join(workshop, stampFile)} {
				before[path] = read(t, path)
			}
			tree := t.TempDir()
			if err := os.CopyFS(tree, os.DirFS(parent)); err != nil {
				t.Fatal(err)
			}
			change(t)
			if got, ok := fresh(workshop); ok {
				t.Errorf("it goes on with %s", got)
			}
			// All as it was, for the next one.
			for path, b := range before {
				writeFile(t, path, b)
			}
			if err := os.RemoveAll(parent); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(parent, os.DirFS(tree)); err != nil {
				t.Fatal(err)
			}
			age(t, parent)
			restamp(t, workshop)
		})
	}
}

// restamp has the stamp of a workshop say that all is as it looks now.
func restamp(t *testing.T, workshop string) {
	t.Helper()
	path := filepath.Join(workshop, stampFile)
	var s stamp
	if err := json.Unmarshal(read(t, path), &s); err != nil {
		t.Fatal(err)
	}
	for file := range s.Files {
		s.Files[file] = lookAt(file)
	}
	s.OutputLook = lookAt(s.Output)
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, b)
}
