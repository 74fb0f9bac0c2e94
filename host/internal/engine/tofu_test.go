package engine

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeGo puts a go command on the PATH, and nothing else. It notes its arguments and environment, and "builds" the script.
func fakeGo(t *testing.T, script string) (notes string) {
	t.Helper()
	dir := t.TempDir()
	notes = filepath.Join(dir, "notes")
	fakeEngine(t, filepath.Join(dir, "go"), `
PATH=/usr/bin:/bin
echo "$@" >> `+notes+`; env >> `+notes+`; ls >> `+notes+`
while [ "$1" != -o ]; do shift; done
`+script)
	t.Setenv("PATH", dir)
	t.Setenv("GOFLAGS", "-tags=canary")
	return notes
}

const buildsTofu = `echo github.com/opentofu/opentofu >&2; sleep 0.2; printf '#!/bin/sh\necho OpenTofu v1.12.6\n' > "$2"; chmod +x "$2"`

func TestBuildTofuOnce(t *testing.T) {
	notes := fakeGo(t, buildsTofu)
	cache := t.TempDir()
	var builders sync.WaitGroup
	paths := make([]string, 4)
	for i := range paths {
		builders.Go(func() {
			e, err := Find(t.Context(), Options{CacheDir: cache})
			if err != nil {
				t.Error(err)
				return
			}
			if e.Name != Tofu || e.Version != "1.12.6" {
				t.Errorf("got %+v", e)
			}
			paths[i] = e.Path
		})
	}
	builders.Wait()
	if diff := cmp.Diff([]string{paths[0], paths[0], paths[0], paths[0]}, paths); diff != "" || paths[0] == "" {
		t.Error(diff)
	}
	content, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	said := string(content)
	if n := strings.Count(said, "build -v "); n != 1 {
		t.Errorf("it was built %d times", n)
	}
	for _, want := range []string{
		"-ldflags -s -w -X github.com/opentofu/opentofu/version.dev=no -o ", " github.com/opentofu/opentofu/cmd/tofu\n",
		"GOFLAGS=-mod=readonly\n", "GOTOOLCHAIN=auto\n", "GOWORK=off\n", "go.mod\ngo.sum\n", "tools.go\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in what the go command saw:\n%s", want, said)
		}
	}
	if strings.Contains(said, "canary") {
		t.Error("the user's GOFLAGS were used")
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(paths[0]), stagingPrefix+"*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// Who only wants to know starts no build, and takes what has been built.
func TestNoBuild(t *testing.T) {
	notes := fakeGo(t, buildsTofu)
	o := Options{CacheDir: t.TempDir(), NoBuild: true}
	if _, err := Find(t.Context(), o); !errors.Is(err, ErrBuild) || !strings.Contains(err.Error(), "OpenTofu 1.12.6") || !strings.Contains(err.Error(), "go") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(notes); err == nil {
		t.Error("go was run")
	}
	if left, _ := filepath.Glob(filepath.Join(o.CacheDir, "*")); len(left) > 0 {
		t.Errorf("there is %v", left)
	}
	if _, err := Find(t.Context(), Options{CacheDir: o.CacheDir}); err != nil {
		t.Fatal(err)
	}
	if e, err := Find(t.Context(), o); err != nil || e.Name != Tofu {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestBuildTofuErrors(t *testing.T) {
	tests := []struct {
		name, script string
		want         []string
	}{
		{"it does not compile", `echo "go: downloading x v1.0.0" >&2; echo main.go:1: no good >&2; exit 1`, []string{"go build: exit status 1: main.go:1: no good;", "--engine PATH"}},
		{"it does not work", `printf '#!/bin/sh\nexit 5\n' > "$2"; chmod +x "$2"`, []string{"what was built does not work: `version` ended with exit status 5"}},
		{"it is something else", `printf '#!/bin/sh\necho Terraform v1.0.0\n' > "$2"; chmod +x "$2"`, []string{"does not work: it says that it is terraform 1.0.0"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fakeGo(t, test.script)
			cache := t.TempDir()
			_, err := Find(t.Context(), Options{CacheDir: cache})
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(cache, "engines", "*", "[st][to]*")); len(left) > 1 { // the sources may stay
				t.Errorf("left: %v", left)
			}
		})
	}
}

// What a build left that was killed goes away with the next one.
func TestBuildTofuAfterAKill(t *testing.T) {
	fakeGo(t, buildsTofu)
	cache := t.TempDir()
	digest, err := tofuPin.digest()
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(cache, "engines", "opentofu-"+tofuPin.version+"-"+digest[:12], stagingPrefix+"123")
	if err := os.MkdirAll(filepath.Join(left, "b001"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := BuildTofu(t.Context(), Options{CacheDir: cache}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Error("it is still there")
	}
}

func TestNoEngineAndNoGo(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	_, err := Find(t.Context(), Options{CacheDir: t.TempDir()})
	for _, want := range []string{"neither terraform nor tofu is on the PATH (" + dir + ")", "there is no Go toolchain", "https://opentofu.org/docs/intro/install/", "--engine PATH"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestGoEnv(t *testing.T) {
	tests := []struct {
		name string
		have map[string]string
		want []string
	}{
		{"home", map[string]string{"HOME": "/h", "GOFLAGS": "-x", "GOTOOLCHAIN": "local", "GOOS": "js", "SECRET": "s"}, []string{"HOME=/h"}},
		{"no home", map[string]string{"HOME": "", "PATH": "/bin"}, []string{"PATH=/bin", "GOPATH=/c/go", "GOCACHE=/c/go/build"}},
		{"no home but caches", map[string]string{"GOPATH": "/p", "XDG_CACHE_HOME": "/x"}, []string{"XDG_CACHE_HOME=/x", "GOPATH=/p"}},
		{"proxies", map[string]string{"HOME": "/h", "GOPROXY": "off", "https_proxy": "p"}, []string{"HOME=/h", "GOPROXY=off", "https_proxy=p"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := goEnv("/c", func(name string) (string, bool) { v, ok := test.have[name]; return v, ok })
			fixed := []string{"GOFLAGS=-mod=readonly", "GOWORK=off", "GO111MODULE=on", "GOTOOLCHAIN=auto", "CGO_ENABLED=0", "GOOS=" + runtime.GOOS, "GOARCH=" + runtime.GOARCH}
			if diff := cmp.Diff(append(test.want, fixed...), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
