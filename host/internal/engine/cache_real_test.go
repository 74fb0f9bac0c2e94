package engine

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/provisor/provisor/host/internal/engine/providercache"
	"github.com/provisor/provisor/host/internal/engine/registrytest"
)

// cacheFixture is an engine with a registry and a cache.
type cacheFixture struct {
	*testing.T
	engine   *Engine
	registry *registrytest.Registry
	shelf    *providercache.Shelf
}

// onCaches runs a test on each engine that is here.
func onCaches(t *testing.T, test func(cacheFixture)) {
	if testing.Short() {
		t.Skip("real engines take longer")
	}
	paths := realEngines(t)
	if cached, _ := filepath.Glob(filepath.Join(userCache(t), "engines", "opentofu-*", "tofu")); len(cached) > 0 && len(paths) < 2 {
		paths = append(paths, cached[0]) // one that was built for other tests
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			versions := make(map[string]string)
			for _, v := range []string{"1.0.0", "2.0.0"} {
				dir := t.TempDir()
				// An init does not run it.
				if err := os.WriteFile(filepath.Join(dir, "terraform-provider-kinds_v"+v), []byte(strings.Repeat(v, 100_000)), 0o755); err != nil {
					t.Fatal(err)
				}
				versions[v] = dir
			}
			f := cacheFixture{T: t, registry: registrytest.New(t, "acme/kinds", versions)}
			ca := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(ca, f.registry.CA, 0o600); err != nil {
				t.Fatal(err)
			}
			var err error
			f.engine, err = Find(t.Context(), Options{Path: path, CacheDir: t.TempDir(), Env: []string{"SSL_CERT_FILE=" + ca}})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			t.Cleanup(func() { makeWritable(t, dir) })
			cache, err := providercache.Open(providercache.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if f.shelf, err = cache.Shelf("0123456789abcdef"); err != nil {
				t.Fatal(err)
			}
			test(f)
		})
	}
}

func userCache(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	return filepath.Join(dir, "provisor")
}

// makeWritable lets the directories be removed by a user who is not root.
func makeWritable(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// init runs a session's init with the provider in that version, and returns its work directory.
func (f cacheFixture) init(version, lock string, args ...string) string {
	f.Helper()
	root := f.TempDir()
	work, home, tmp := filepath.Join(root, "work"), filepath.Join(root, "home"), filepath.Join(root, "run")
	for _, dir := range []string{work, home, tmp} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			f.Fatal(err)
		}
	}
	template := fmt.Sprintf("terraform {\n  required_providers {\n    kinds = {\n      source  = %q\n      version = %q\n    }\n  }\n}\n", f.registry.Source(), version)
	for name, content := range map[string]string{"main.tf": template, providercache.LockFile: lock} {
		if content == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(work, name), []byte(content), 0o600); err != nil {
			f.Fatal(err)
		}
	}
	dirs, err := f.engine.Prepare(f.shelf, root, home, tmp, 0)
	if err != nil {
		f.Fatal(err)
	}
	args = append([]string{"init", "-input=false", "-no-color"}, args...)
	install, err := f.engine.BeginInit(dirs, work, args)
	if err != nil {
		f.Fatal(err)
	}
	if _, ok := runEngine(f.T, f.engine, dirs, work, args); ok {
		f.engine.EndInit(f.Context(), install)
	}
	return work
}

// cached says whether a work directory has the provider from the cache.
func (f cacheFixture) cached(work, version string) bool {
	f.Helper()
	target, err := os.Readlink(filepath.Join(work, ".terraform", "providers", filepath.FromSlash(f.registry.Source()), version, platform))
	return err == nil && strings.HasPrefix(target, f.shelf.Mirror())
}

var platform = filepath.Base(packageDir("", "a/b/c", "1.0.0"))

// The first init downloads, later ones do not, and what the registry has newer is found all the same.
func TestInitsFillTheCache(t *testing.T) {
	onCaches(t, func(f cacheFixture) {
		first := f.init("1.0.0", "")
		if f.cached(first, "1.0.0") || f.registry.Downloads("1.0.0") != 1 {
			f.Errorf("the first init: from the cache %t, downloads %d", f.cached(first, "1.0.0"), f.registry.Downloads("1.0.0"))
		}
		second := f.init("1.0.0", "")
		if !f.cached(second, "1.0.0") || f.registry.Downloads("1.0.0") != 1 {
			f.Errorf("the second init: from the cache %t, downloads %d", f.cached(second, "1.0.0"), f.registry.Downloads("1.0.0"))
		}
		newer := f.init(">= 1.0.0", "")
		if f.cached(newer, "2.0.0") || f.registry.Downloads("2.0.0") != 1 {
			f.Errorf("an init with a newer version: downloads %d", f.registry.Downloads("2.0.0"))
		}
		if len(f.shelf.Packages()) != 2 {
			f.Errorf("on the shelf: %v", f.shelf.Packages())
		}
	})
}

// A lock file that names what is in the cache needs no registry; one that can't tell it is what was meant has it downloaded.
func TestLockFilesAndTheCache(t *testing.T) {
	onCaches(t, func(f cacheFixture) {
		first := f.init("1.0.0", "")
		lock, err := os.ReadFile(filepath.Join(first, providercache.LockFile))
		if err != nil {
			t.Fatal(err)
		}
		archives := strings.Join(slices.DeleteFunc(strings.SplitAfter(string(lock), "\n"), func(s string) bool { return strings.Contains(s, "h1:") }), "")
		if work := f.init("1.0.0", archives); f.cached(work, "1.0.0") || f.registry.Downloads("1.0.0") != 2 {
			f.Errorf("with checksums of archives alone: downloads %d", f.registry.Downloads("1.0.0"))
		}
		if work := f.init(">= 1.0.0", string(lock), "-upgrade"); f.registry.Downloads("2.0.0") != 1 {
			f.Errorf("an upgrade took %v", work)
		}
		f.registry.Close()
		work := f.init("1.0.0", string(lock))
		if !f.cached(work, "1.0.0") {
			f.Error("the locked provider did not come from the cache")
		}
		if after, err := os.ReadFile(filepath.Join(work, providercache.LockFile)); err != nil || string(after) != string(lock) {
			f.Errorf("the lock file was changed to %s, %v", after, err)
		}
	})
}

// Inits at once, on a cold cache and on a warm one, neither fail nor change what is there.
func TestInitsAtOnce(t *testing.T) {
	onCaches(t, func(f cacheFixture) {
		var before string
		for round := range 2 {
			var inits sync.WaitGroup
			for i := range 8 {
				inits.Go(func() { f.init([]string{"1.0.0", "2.0.0"}[i%2], "") })
			}
			inits.Wait()
			switch round {
			case 0:
				before = listing(f.T, f.shelf.Mirror())
				if len(f.shelf.Packages()) != 2 {
					f.Errorf("on the shelf: %v", f.shelf.Packages())
				}
			case 1:
				if n := f.registry.Downloads("1.0.0") + f.registry.Downloads("2.0.0"); n > 8 {
					f.Errorf("%d downloads, want none by the inits on the warm cache", n)
				}
				if after := withoutTimes(listing(f.T, f.shelf.Mirror())); after != withoutTimes(before) {
					f.Errorf("the shelf was\n%s\nand is\n%s", before, after)
				}
			}
		}
	})
}

// withoutTimes is a listing without times: when a package was last used is its directory's.
func withoutTimes(listing string) string {
	var lines []string
	for line := range strings.Lines(listing) {
		fields := strings.Fields(line)
		lines = append(lines, strings.Join(fields[:min(3, len(fields))], " "))
	}
	return strings.Join(lines, "\n")
}
