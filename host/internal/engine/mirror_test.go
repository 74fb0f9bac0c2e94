package engine

import (
	"bytes"
	"io"
	"net/url"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// fakeModule is a module on the fake proxy: file names with contents, go.mod among them.
type fakeModule struct {
	path, version string
	files         map[string]string
}

type fakeFile struct{ name, content string }

func (f fakeFile) Path() string                { return f.name }
func (f fakeFile) Lstat() (os.FileInfo, error) { return fakeInfo(f), nil }
func (f fakeFile) Open() (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(f.content)), nil
}

// fakeProxy serves the modules, and no others, to the Go command.
func fakeProxy(t *testing.T, modules ...fakeModule) {
	t.Helper()
	if _, err := osexec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	for _, m := range modules {
		base := filepath.Join(dir, m.path, "@v", m.version)
		if err := os.MkdirAll(filepath.Dir(base), 0o700); err != nil {
			t.Fatal(err)
		}
		var files []modzip.File
		for name, content := range m.files {
			files = append(files, fakeFile{name, content})
		}
		var archive bytes.Buffer
		if err := modzip.Create(&archive, module.Version{Path: m.path, Version: m.version}, files); err != nil {
			t.Fatal(err)
		}
		for suffix, content := range map[string]string{
			".zip": archive.String(), ".mod": m.files["go.mod"], ".info": `{"Version":"` + m.version + `"}`,
		} {
			if err := os.WriteFile(base+suffix, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		list, err := os.OpenFile(filepath.Join(filepath.Dir(base), "list"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = list.WriteString(m.version + "\n")
		list.Close()
	}
	cache := t.TempDir()
	t.Setenv("GOPROXY", (&url.URL{Scheme: "file", Path: filepath.ToSlash(dir)}).String())
	t.Setenv("GOSUMDB", "off")
	t.Setenv("GOMODCACHE", cache)
	t.Cleanup(func() {
		clean := osexec.Command("go", "clean", "-modcache") // its files are read-only
		clean.Env = append(os.Environ(), "GOMODCACHE="+cache)
		if out, err := clean.CombinedOutput(); err != nil {
			t.Error(err, string(out))
		}
	})
}

// providerMain answers like a provider, and then waits to be killed.
const providerMain = `package main
import (
	"os"
	"time"
	"example.com/dep"
)
func main() {
	if os.Getenv("TF_PLUGIN_MAGIC_COOKIE") == "" { os.Exit(1) }
	os.Stdout.WriteString("1|5|unix|" + dep.Name + "|grpc|\n")
	time.Sleep(time.Minute)
}
`

func dependency(path, version, name string) fakeModule {
	return fakeModule{path, version, map[string]string{
		"go.mod": "module " + path + "\ngo 1.21\n",
		"dep.go": "package dep\nconst Name = \"" + name + "\"\n",
	}}
}

func provider(version, mod string, files ...string) fakeModule {
	m := fakeModule{"example.com/thing", version, map[string]string{
		"go.mod":      "module example.com/thing\ngo 1.21\nrequire example.com/dep v1.0.0\n" + mod,
		"cmd/main.go": providerMain,
		"lib/lib.go":  "package lib\n",
	}}
	for i := 0; i < len(files); i += 2 {
		m.files[files[i]] = files[i+1]
	}
	return m
}

func TestMirrorAdd(t *testing.T) {
	fakeProxy(t,
		dependency("example.com/dep", "v1.0.0", "published"), dependency("example.com/fork", "v1.5.0", "forked"),
		provider("v1.0.0", ""), provider("v1.1.0", "replace example.com/dep => example.com/fork v1.5.0\n"),
		provider("v1.2.0-rc.1", "replace example.com/dep => ./dep\n"))
	cache, mirror := t.TempDir(), filepath.Join(t.TempDir(), "mirror")
	tests := []struct{ version, says, notes string }{
		{version: "v1.0.0", says: "published"},
		{version: "v1.1.0", says: "forked"},
		{version: "v1.2.0-rc.1", says: "published", notes: "example.com/dep is replaced by the directory ./dep"},
	}
	for _, test := range tests {
		t.Run(test.version, func(t *testing.T) {
			var notes bytes.Buffer
			dirs, err := MirrorAdd(t.Context(), MirrorOptions{
				Package: "example.com/thing/cmd@" + test.version, As: []string{"example.com/acme/thing"}, Dir: mirror, CacheDir: cache, Progress: &notes,
			})
			if err != nil {
				t.Fatal(err)
			}
			version := test.version[1:]
			dir := filepath.Join(mirror, "example.com", "acme", "thing", version, runtime.GOOS+"_"+runtime.GOARCH)
			if diff := cmp.Diff([]string{dir}, dirs); diff != "" {
				t.Error(diff)
			}
			content, err := os.ReadFile(filepath.Join(dir, "terraform-provider-thing_v"+version+exeSuffix()))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(content, []byte(test.says)) {
				t.Errorf("the binary was not built from %s", test.says)
			}
			if !strings.Contains(notes.String(), test.notes) {
				t.Errorf("notes: %s", &notes)
			}
		})
	}
	for _, pattern := range []string{filepath.Join(mirror, ".*"), filepath.Join(cache, "build", "*", "staging*")} {
		if left, err := filepath.Glob(pattern); err != nil || len(left) != 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
}

func TestMirrorAddErrors(t *testing.T) {
	fakeProxy(t, dependency("example.com/dep", "v1.0.0", "published"),
		provider("v1.0.0", "", "cmd/main.go", "package main\nfunc main() {}\nimport nonsense\n", "hello/main.go", "package main\nfunc main() { println(`hi`) }\n"))
	as := []string{"acme/thing"}
	tests := []struct {
		name, pkg string
		as        []string
		want      []string
	}{
		{"no version", "example.com/thing/cmd", as, []string{"want PACKAGE@VERSION"}},
		{"an empty version", "example.com/thing/cmd@", as, []string{"want PACKAGE@VERSION"}},
		{"half a version", "example.com/thing/cmd@v1", as, []string{"with a whole version"}},
		{"a branch", "example.com/thing/cmd@main", as, []string{"with a whole version"}},
		{"a path", "../thing@v1.0.0", as, []string{"malformed import path"}},
		{"a flag", "-x@v1.0.0", as, []string{"malformed import path"}},
		{"no address", "example.com/thing/cmd@v1.0.0", nil, []string{"say which address"}},
		{"a short address", "example.com/thing/cmd@v1.0.0", []string{"thing"}, []string{`provider address "thing": want HOST/NAMESPACE/NAME`}},
		{"an address that climbs", "example.com/thing/cmd@v1.0.0", []string{"../../thing"}, []string{`provider address "../../thing"`}},
		{"upper case", "example.com/thing/cmd@v1.0.0", []string{"Acme/thing"}, []string{"in lower case"}},
		{"unknown version", "example.com/thing/cmd@v9.9.9", as, []string{"add example.com/thing/cmd@v9.9.9 to the mirror", "go get: exit status 1", "v9.9.9"}},
		{"unknown package", "example.com/thing/none@v1.0.0", as, []string{"does not contain package example.com/thing/none"}},
		{"a library", "example.com/thing/lib@v1.0.0", as, []string{"package example.com/thing/lib is no program but package lib"}},
		{"does not compile", "example.com/thing/cmd@v1.0.0", as, []string{"main.go:3"}},
		{"no provider", "example.com/thing/hello@v1.0.0", as, []string{"it is no Terraform provider: started as one it says"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cache := t.TempDir()
			_, err := MirrorAdd(t.Context(), MirrorOptions{Package: test.pkg, As: test.as, CacheDir: cache})
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if _, err := os.Stat(MirrorDir(cache)); err == nil {
				t.Error("the mirror was touched")
			}
		})
	}
}

func TestExpandAddresses(t *testing.T) {
	tests := []struct{ as, want []string }{
		{[]string{"coder/coder"}, []string{"registry.terraform.io/coder/coder", "registry.opentofu.org/coder/coder"}},
		{[]string{"registry.opentofu.org/a/b", "registry.terraform.io/a/b"}, []string{"registry.terraform.io/a/b", "registry.opentofu.org/a/b"}},
		{[]string{"localhost:8080/a/b", "a/b_c-d"}, []string{"localhost:8080/a/b", "registry.terraform.io/a/b_c-d", "registry.opentofu.org/a/b_c-d"}},
	}
	for _, test := range tests {
		got, err := expandAddresses(test.as)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Error(test.as, diff, err)
		}
	}
}

func TestCLIConfig(t *testing.T) {
	first, second := filepath.Join(t.TempDir(), "${a} b"), t.TempDir() // engines take the first as it is
	for _, dir := range []string{
		filepath.Join(first, "registry.terraform.io", "coder", "coder", "1.0.0"), filepath.Join(first, "Odd", "name", "here"),
		filepath.Join(first, ".staging-1", "a", "b"),
		filepath.Join(second, "registry.terraform.io", "coder", "coder", "1.0.0"), filepath.Join(second, "example.com", "a", `b`),
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	const none = "disable_checkpoint = true\nprovider_installation {\n  direct {\n  }\n}\n"
	both := `disable_checkpoint = true
provider_installation {
  filesystem_mirror {
    path    = "FIRST"
    include = ["registry.terraform.io/coder/coder"]
  }
  filesystem_mirror {
    path    = "SECOND"
    include = ["example.com/a/b"]
  }
  direct {
    exclude = ["registry.terraform.io/coder/coder", "example.com/a/b"]
  }
}
`
	both = strings.NewReplacer("FIRST", first, "SECOND", second).Replace(both)
	tests := []struct {
		name    string
		mirrors []string
		want    string
	}{
		{"none", nil, none}, {"not there yet", []string{filepath.Join(first, "none")}, none}, {"empty", []string{t.TempDir()}, none},
		{"two", []string{first, second}, both},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			dirs, err := (&Engine{mirrors: test.mirrors, Version: "1.11.4", Name: Terraform}).Prepare(nil, root, "/h", "/t", 0)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(dirs.CLIConfig)
			if diff := cmp.Diff(test.want, string(got)); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
}
