// Package providercache keeps the providers that inits of a tenant's engines have downloaded, for its later inits by the same plugin. Engines
// get them as a mirror that they only read: no init ever writes where another process may be executing, and none waits for another.
//
// What an init has put into its own session's directory is copied after the init, if nothing was there before it and its checksum is the one
// that the engine has written into the lock file. So it is what the engine has downloaded and verified, as long as nobody else writes into the
// directory meanwhile: no code of a template runs in an init, but a plugin could. That is why a plugin's digest belongs to the scope: what
// a plugin forges, it forges for its tenant's later sessions with itself.
//
// A cache's directory, which several processes may use at once, holds
//
//	PLUGIN/mirror/HOST/NAMESPACE/NAME/VERSION/PLATFORM/   a provider, unpacked, read-only; its time is when it was last used
//	PLUGIN/sums/…                                         the same path as a file: the provider's checksum and size
//	.staging/                                             what is being copied or removed
package providercache

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Options of a cache.
type Options struct {
	// Dir is the cache's directory; it is made where it is missing.
	Dir string
	// MaxBytes bounds all providers together: the least recently used go, and what has no room is not kept. 0 = 10 GiB.
	MaxBytes int64
	// Log is the daemon's log; nil = none.
	Log *slog.Logger
}

// Cache keeps providers. Its methods may be called by several goroutines.
type Cache struct {
	o Options
	// now is the clock; a test has its own.
	now func() time.Time
}

const (
	stagingDir = ".staging"
	mirrorDir  = "mirror"
	sumsDir    = "sums"
	// stagingAge is how old something in staging must be to be what a dead process left.
	stagingAge = 2 * time.Hour
)

// Open opens the cache.
func Open(o Options) (*Cache, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = 10 << 30
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the provider cache: %w", err)
	}
	// Engines write the path without symlinks into their links.
	if err := os.MkdirAll(filepath.Join(dir, stagingDir), 0o755); err != nil {
		return nil, fmt.Errorf("open the provider cache: %w", err)
	}
	if o.Dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, fmt.Errorf("open the provider cache: %w", err)
	}
	c := &Cache{o: o, now: time.Now}
	c.sweep()
	return c, nil
}

// sweep removes from staging what dead processes left there.
func (c *Cache) sweep() {
	list, err := os.ReadDir(filepath.Join(c.o.Dir, stagingDir))
	if err != nil {
		c.o.Log.Warn("can't look for what dead processes left in the provider cache", "error", err)
		return
	}
	for _, e := range list {
		if info, err := e.Info(); err == nil && c.now().Sub(info.ModTime()) > stagingAge {
			c.warn("what a dead process left in the provider cache stays", removeAll(filepath.Join(c.o.Dir, stagingDir, e.Name())))
		}
	}
}

func (c *Cache) warn(what string, err error) {
	if err != nil {
		c.o.Log.Warn(what, "error", err)
	}
}

// Shelf is one plugin's part of the cache.
type Shelf struct {
	cache *Cache
	dir   string
}

// scopeName is what a plugin's digest is shortened to.
const scopeName = 16

// Shelf makes the shelf for the plugin with that digest, in hexadecimal.
func (c *Cache) Shelf(digest string) (*Shelf, error) {
	if len(digest) < scopeName || strings.ContainsAny(digest, `/\.`) {
		return nil, fmt.Errorf("open the provider cache for a plugin with digest %q: want one in hexadecimal", digest)
	}
	s := &Shelf{cache: c, dir: filepath.Join(c.o.Dir, digest[:scopeName])}
	for _, part := range []string{mirrorDir, sumsDir} {
		if err := os.MkdirAll(filepath.Join(s.dir, part), 0o755); err != nil {
			return nil, fmt.Errorf("open the provider cache: %w", err)
		}
	}
	return s, nil
}

// Mirror is the shelf as a mirror of providers, in the layout of `terraform providers mirror`.
func (s *Shelf) Mirror() string { return filepath.Join(s.dir, mirrorDir) }

// Package is a provider in one version, for this platform.
type Package struct {
	// Address is HOST/NAMESPACE/NAME.
	Address, Version string
	// Sum is the checksum as lock files have it: h1:…
	Sum   string
	Bytes int64
}

// path is the package's, relative to a mirror.
func (p Package) path() string {
	return filepath.Join(filepath.FromSlash(p.Address), p.Version, runtime.GOOS+"_"+runtime.GOARCH)
}

// Packages lists what is on the shelf.
func (s *Shelf) Packages() []Package {
	var all []Package
	for _, p := range packages(os.DirFS(s.Mirror())) {
		if p, ok := s.sum(p); ok {
			all = append(all, p)
		}
	}
	return all
}

// sumFormat is what a sum's file has: the checksum and the size.
const sumFormat = "%s %d\n"

func (s *Shelf) sum(p Package) (Package, bool) {
	content, err := os.ReadFile(filepath.Join(s.dir, sumsDir, p.path()))
	if err != nil {
		return p, false
	}
	_, err = fmt.Sscanf(string(content), sumFormat, &p.Sum, &p.Bytes)
	return p, err == nil
}

// Parts of a package's path, as registries allow them.
var (
	addressPart = regexp.MustCompile(`^[0-9a-z]([0-9a-z_.:-]*[0-9a-z])?$`)
	versionPart = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+([0-9A-Za-z.+-]*)$`)
)

// packageDepth is how deep packages are in a tree of HOST/NAMESPACE/NAME/VERSION/PLATFORM.
const packageDepth = 5

// packages lists the packages for this platform that have directories in a tree, without following links.
func packages(tree fs.FS) []Package {
	var all []Package
	walk(tree, ".", packageDepth, func(path string, e fs.DirEntry) {
		if p, ok := packageOf(path, e); ok {
			all = append(all, p)
		}
	})
	return all
}

// packageOf is the package for this platform that is a directory of that path in a tree.
func packageOf(path string, e fs.DirEntry) (Package, bool) {
	parts := strings.Split(path, "/")
	bad := slices.ContainsFunc(parts[:3], func(s string) bool { return !addressPart.MatchString(s) })
	if bad || !e.IsDir() || parts[4] != runtime.GOOS+"_"+runtime.GOARCH || !versionPart.MatchString(parts[3]) {
		return Package{}, false
	}
	return Package{Address: strings.Join(parts[:3], "/"), Version: parts[3]}, true
}

// maxEntries is how many entries of one directory are looked at.
const maxEntries = 10_000

// walk calls f for what lies so deep in a tree, without following links.
func walk(tree fs.FS, dir string, depth int, f func(path string, e fs.DirEntry)) {
	entries, err := fs.ReadDir(tree, dir)
	if err != nil || len(entries) > maxEntries {
		return
	}
	for _, e := range entries {
		path := e.Name()
		if dir != "." {
			path = dir + "/" + path
		}
		switch {
		case depth == 1:
			f(path, e)
		case e.IsDir():
			walk(tree, path, depth-1, f)
		}
	}
}

// use notes that a package is used.
func (s *Shelf) use(p Package) {
	now := s.cache.now()
	if err := os.Chtimes(filepath.Join(s.Mirror(), p.path()), now, now); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.cache.warn("can't note that a provider is used", err)
	}
}

// removeAll removes a directory in which directories are read-only.
func removeAll(dir string) error {
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, os.RemoveAll(dir))
}
