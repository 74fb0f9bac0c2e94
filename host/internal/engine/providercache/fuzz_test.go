package providercache

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// Whatever a template has for a lock file: it is refused, or says what is selected.
func FuzzLock(f *testing.F) {
	f.Add([]byte("provider \"a/b/c\" {\n  version = \"1.0.0\"\n  hashes = [\n    \"h1:x\",\n  ]\n}\n"))
	f.Add([]byte("provider \"a/b/c\" {\n  version = \"${file(\"x\")}\"\n}\n"))
	f.Add([]byte(strings.Repeat("[", 100)))
	f.Add([]byte("provider \"a\" { hashes = [[[]]] }"))
	f.Fuzz(func(t *testing.T, content []byte) {
		lock, err := parseLock(content)
		if err != nil && lock != nil {
			t.Errorf("%v beside %v", lock, err)
		}
		for address, s := range lock {
			if s.Allows(Package{Address: address, Version: s.Version}) {
				t.Errorf("%s allows a package without a checksum", address)
			}
		}
	})
}

// Whatever names lie where engines install: a package's path stays below the shelf.
func FuzzPackages(f *testing.F) {
	f.Add("registry.example.com", "acme", "kinds", "1.0.0")
	f.Add("localhost:8080", "a", "b", "1.0.0-beta.1+x")
	f.Add("..", "..", "..", "1.0.0")
	f.Fuzz(func(t *testing.T, host, namespace, name, version string) {
		path := strings.Join([]string{host, namespace, name, version, filepath.Base(Package{}.path()), "file"}, "/")
		if !fs.ValidPath(path) {
			return
		}
		tree := fstest.MapFS{path: &fstest.MapFile{Mode: os.ModePerm}}
		for _, p := range packages(tree) {
			if !filepath.IsLocal(p.path()) || strings.Count(p.path(), string(filepath.Separator)) != 4 {
				t.Errorf("%q is the package %+v", path, p)
			}
		}
	})
}
