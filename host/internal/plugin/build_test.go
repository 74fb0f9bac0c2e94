package plugin

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/sandbox"
)

const goodHCL = "name = \"small\"\nversion = \"1.0.0\"\nrequests = [\"init\"]\n"

// smallPlugin is a Go plugin without the SDK, so that it is quickly built.
const smallPlugin = `package main

import "unsafe"

//go:wasmexport provisor_abi_version
func version() int32 { return 1 << 16 }

//go:wasmexport provisor_alloc
func alloc(size int32) unsafe.Pointer { b := make([]byte, size+1); return unsafe.Pointer(&b[0]) }

//go:wasmexport provisor_handle
func handle(ptr unsafe.Pointer, size int32) int32 { return 0 }

func main() {}
`

func writePlugin(t *testing.T, hcl, source string) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "go.mod"), []byte("module example.com/small\n\ngo 1.24\n"))
	writeFile(t, filepath.Join(dir, "main.go"), []byte(source))
	writeFile(t, filepath.Join(dir, SourceFile), []byte(hcl))
	return dir
}

func needsGo(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds plugins")
	}
}

func TestBuild(t *testing.T) {
	needsGo(t)
	cache, dir := t.TempDir(), writePlugin(t, goodHCL, smallPlugin)
	path, err := BuildCached(t.Context(), dir, BuildOptions{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := ReadManifest(read(t, path)); err != nil || m.GetName() != "small" || m.GetAbiVersion() != abi.Version {
		t.Errorf("got %v, %v", m, err)
	}
	if _, err := Load(t.Context(), newRuntime(t, sandbox.Limits{}), path); err != nil {
		t.Error(err)
	}

	t.Run("again nothing is written", func(t *testing.T) {
		old := time.Unix(1, 0)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
		if _, err := BuildCached(t.Context(), dir, BuildOptions{CacheDir: cache}); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || !info.ModTime().Equal(old) {
			t.Errorf("it was written again: %v, %v", info.ModTime(), err)
		}
	})

	t.Run("equal sources make equal bytes", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "new", "out.wasm")
		if err := Build(t.Context(), writePlugin(t, goodHCL, smallPlugin), BuildOptions{Out: out}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(t, out), read(t, path)) {
			t.Error("they differ")
		}
		if entries, err := os.ReadDir(filepath.Dir(out)); err != nil || len(entries) != 1 {
			t.Errorf("beside it are %v, %v", entries, err)
		}
	})

	t.Run("a changed manifest counts", func(t *testing.T) {
		writeFile(t, filepath.Join(dir, SourceFile), []byte(strings.Replace(goodHCL, "1.0.0", "1.0.1", 1)))
		path, err := BuildCached(t.Context(), dir, BuildOptions{CacheDir: cache})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := ReadManifest(read(t, path)); err != nil || m.GetVersion() != "1.0.1" {
			t.Errorf("got %v, %v", m, err)
		}
	})

	t.Run("many at once", func(t *testing.T) {
		var building sync.WaitGroup
		for n := range 4 {
			building.Go(func() {
				text := strings.Replace(goodHCL, "1.0.0", fmt.Sprintf("1.0.%d", n%2), 1)
				if err := replace(filepath.Join(dir, SourceFile), []byte(text)); err != nil {
					t.Error(err)
				}
				path, err := BuildCached(t.Context(), dir, BuildOptions{CacheDir: cache})
				if err != nil {
					t.Error(err)
					return
				}
				if m, err := ReadManifest(read(t, path)); err != nil || m.GetName() != "small" {
					t.Errorf("got %v, %v", m, err)
				}
			})
		}
		building.Wait()
	})
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return b
}

func TestBuildSaysWhatIsWrong(t *testing.T) {
	needsGo(t)
	empty := t.TempDir()
	for name, test := range map[string]struct {
		dir  string
		want string
	}{
		"no manifest":     {empty, filepath.Join(empty, SourceFile) + " does not exist: a plugin's directory has a plugin.hcl with its name and version"},
		"a bad manifest":  {writePlugin(t, "name = 1", smallPlugin), SourceFile + ":1,1-1: Missing required argument"},
		"a compile error": {writePlugin(t, goodHCL, "package main\n\nfunc main() { x }\n"), "main.go:3:15: undefined: x"},
		"not a command":   {writePlugin(t, goodHCL, "package lib\n"), "-buildmode=c-shared requires exactly one main package"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out.wasm")
			err := Build(t.Context(), test.dir, BuildOptions{Out: out})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "build the plugin in "+test.dir+": ") {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("there is a file in spite of that")
			}
		})
	}
}

func TestBuildWithoutGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := Build(t.Context(), writePlugin(t, goodHCL, smallPlugin), BuildOptions{Out: filepath.Join(t.TempDir(), "x")})
	if err == nil || !strings.Contains(err.Error(), "there is no go command on the PATH") {
		t.Errorf("got %v", err)
	}
}

func TestBuildIsCanceled(t *testing.T) {
	needsGo(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.Canceled)
	err := Build(ctx, writePlugin(t, goodHCL, smallPlugin), BuildOptions{Out: filepath.Join(t.TempDir(), "x")})
	if err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("got %v", err)
	}
}

// The project's own plugin: found, built, and with a manifest that is taken.
func TestDefault(t *testing.T) {
	needsGo(t)
	cache := t.TempDir()
	path, err := Default(t.Context(), DefaultName, BuildOptions{CacheDir: cache, Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadManifest(read(t, path))
	if err != nil || m.GetName() != DefaultName || !m.GetSnapshot() {
		t.Errorf("got %v, %v", m, err)
	}
	if _, err := Default(t.Context(), "absent", BuildOptions{CacheDir: cache}); err == nil {
		t.Error("a plugin that does not exist was built")
	}
}
