package sandbox

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/provisor/provisor/host/internal/wasmtest"
)

func cached(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCompiledModulesAreKept(t *testing.T) {
	p := wasmtest.NewPlugin()
	module := p.Handled(p.Respond("x"))
	dir := filepath.Join(t.TempDir(), "compiled")
	for range 2 {
		i := newInstance(t, newRuntime(t, Options{CacheDir: dir}), module, &fakeHost{})
		if _, err := i.Handle(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
		if files := cached(t, dir); len(files) != 1 {
			t.Fatalf("the cache has %v", files)
		}
	}
}

// A cut or empty file must not keep a plugin from ever starting again.
func TestBrokenCacheIsThrownAway(t *testing.T) {
	p := wasmtest.NewPlugin()
	module := p.Handled(p.Respond("x"))
	for name, spoil := range map[string]func([]byte) []byte{
		"empty":   func([]byte) []byte { return nil },
		"cut":     func(b []byte) []byte { return b[:len(b)/2] },
		"garbage": func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, len(b)) },
		"altered": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			newInstance(t, newRuntime(t, Options{CacheDir: dir}), module, &fakeHost{})
			file := cached(t, dir)[0]
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, spoil(b), 0o600); err != nil {
				t.Fatal(err)
			}
			i := newInstance(t, newRuntime(t, Options{CacheDir: dir}), module, &fakeHost{})
			if _, err := i.Handle(t.Context(), []byte("x")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a directory can't be in a file's place there")
	}
	p := wasmtest.NewPlugin()
	dir := t.TempDir()
	var log bytes.Buffer
	r := newRuntime(t, Options{CacheDir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	i := newInstance(t, r, p.Handled(p.Respond("x")), &fakeHost{})
	if _, err := i.Handle(t.Context(), []byte("x")); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "can't be kept") {
		t.Errorf("the log has %q", &log)
	}
}

func TestCacheOfOthersIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no permission bits")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := New(t.Context(), Options{CacheDir: dir})
	if err == nil || !strings.Contains(err.Error(), "may be written by other users") {
		t.Errorf("got %v", err)
	}
}

func TestCacheDoesNotGrowForEver(t *testing.T) {
	dir := t.TempDir()
	for n := range keptModules + 5 {
		name := filepath.Join(dir, string(rune('a'+n)))
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		made := time.Unix(int64(n), 0)
		if err := os.Chtimes(name, made, made); err != nil {
			t.Fatal(err)
		}
	}
	newRuntime(t, Options{CacheDir: dir})
	files := cached(t, dir)
	if len(files) != keptModules || filepath.Base(files[0]) != "f" {
		t.Errorf("left are %v", files)
	}
}
