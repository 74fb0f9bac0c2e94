package providercache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/mod/sumdb/dirhash"
)

// Install is one init in a directory that a template can write to.
type Install struct {
	shelf *Shelf
	dir   string
	// before are the packages that were there before the init: who made them, nobody knows.
	before []Package
	// Offer are the addresses that the init may take from the shelf; Pinned are those of them of which it needs nothing from a registry, not
	// even to hear which versions there are.
	Offer, Pinned []string
}

// providersDir is where engines install providers.
const providersDir = ".terraform/providers"

// Limits of a package.
const (
	maxPackageBytes = 4 << 30
	maxPackageFiles = 1000
)

// Begin looks at a directory in which an init is about to run. upgrade says that the init takes newer versions than the lock file has.
func (s *Shelf) Begin(dir string, upgrade bool) (*Install, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("look at what is installed: %w", err)
	}
	defer root.Close()
	i := &Install{shelf: s, dir: dir}
	var links []link
	i.before, links = s.look(root)
	for _, l := range links {
		// An engine that installs another package in such a place would write through the link.
		s.cache.warn("can't remove a link to a cached provider", root.Remove(l.name))
	}
	lock, err := ReadLock(root, LockFile)
	if err != nil {
		// The engine will say what it thinks of it. It downloads what it needs.
		s.cache.o.Log.Info("no provider is taken from the cache", "why", err)
		return i, nil
	}
	i.offer(s.Packages(), lock, upgrade)
	return i, nil
}

// offer decides what an init may take from the shelf. Where the lock file selects a version that is there, it must allow it: engines don't
// look elsewhere for one that is not refused.
func (i *Install) offer(have []Package, lock Lock, upgrade bool) {
	of := make(map[string][]Package)
	for _, p := range have {
		of[p.Address] = append(of[p.Address], p)
	}
	for _, address := range slices.Sorted(maps.Keys(of)) {
		selected, locked := lock[address]
		at := slices.IndexFunc(of[address], func(p Package) bool { return p.Version == selected.Version })
		switch {
		case !locked, at < 0 && upgrade:
			i.Offer = append(i.Offer, address)
		case at >= 0 && selected.Allows(of[address][at]):
			i.Offer = append(i.Offer, address)
			if !upgrade {
				i.Pinned = append(i.Pinned, address)
			}
		}
	}
}

// link is a package that is not in the work directory itself, but on the shelf: an earlier init has made it.
type link struct {
	name string
	Package
}

// look finds the packages that are directories of a work directory itself, and the links onto the shelf.
func (s *Shelf) look(work *os.Root) (installed []Package, links []link) {
	root, err := work.OpenRoot(providersDir)
	if err != nil {
		return nil, nil
	}
	defer root.Close()
	walk(root.FS(), ".", packageDepth, func(name string, e fs.DirEntry) {
		if p, ok := packageOf(name, e); ok {
			installed = append(installed, p)
		}
		if e.Type() != fs.ModeSymlink {
			return
		}
		target, err := root.Readlink(name)
		if err != nil {
			return
		}
		relative, err := filepath.Rel(s.Mirror(), target)
		if err != nil || !filepath.IsLocal(relative) {
			return
		}
		address, version := path.Split(path.Dir(filepath.ToSlash(relative)))
		links = append(links, link{path.Join(providersDir, name), Package{Address: path.Clean(address), Version: version}})
	})
	return installed, links
}

// End puts onto the shelf what a successful init has downloaded, but for what skip names (addresses; it is asked if anything is new), and notes
// what it has used. What can't be kept is logged: the session has it anyway.
func (i *Install) End(ctx context.Context, skip func() []string) {
	if err := i.end(ctx, skip); err != nil {
		i.shelf.cache.o.Log.Warn("providers are not kept for later sessions", "error", err)
	}
}

func (i *Install) end(ctx context.Context, skip func() []string) error {
	root, err := os.OpenRoot(i.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	installed, links := i.shelf.look(root)
	for _, l := range links {
		i.shelf.use(l.Package)
	}
	skipped := sync.OnceValue(skip)
	var fresh []Package
	for _, p := range installed {
		if !slices.Contains(i.before, p) && !i.shelf.has(p) && !slices.Contains(skipped(), p.Address) {
			fresh = append(fresh, p)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	lock, err := ReadLock(root, LockFile)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range fresh {
		if err := i.shelf.add(ctx, root, p, lock); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", p.Address, p.Version, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Shelf) has(p Package) bool {
	_, err := os.Lstat(filepath.Join(s.Mirror(), p.path()))
	return err == nil
}

// add copies a package onto the shelf, where it appears whole. Of two that add the same at once, one wins.
func (s *Shelf) add(ctx context.Context, root *os.Root, p Package, lock Lock) (err error) {
	staging, err := os.MkdirTemp(filepath.Join(s.cache.o.Dir, stagingDir), "add-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeAll(staging)) }()
	dir := filepath.Join(staging, "package")
	c := copier{ctx: ctx, root: root}
	if err := c.copy(path.Join(providersDir, filepath.ToSlash(p.path())), dir); err != nil {
		return err
	}
	p.Bytes = c.bytes
	// As engines compute it, of what has been copied.
	if p.Sum, err = dirhash.HashDir(dir, "", dirhash.Hash1); err != nil {
		return err
	}
	if selected := lock[p.Address]; !selected.Allows(p) {
		return fmt.Errorf("its checksum %s is not in the lock file, which has version %q with %q", p.Sum, selected.Version, selected.Hashes)
	}
	if !s.cache.makeRoom(p.Bytes) {
		return fmt.Errorf("its %d bytes have no room beside what the tenant's sessions use (setting provider_cache, %d bytes)", p.Bytes, s.cache.o.MaxBytes)
	}
	return s.place(dir, p)
}

// place puts a package that has been copied and checked into its place.
func (s *Shelf) place(dir string, p Package) error {
	to, sum := filepath.Join(s.Mirror(), p.path()), filepath.Join(s.dir, sumsDir, p.path())
	for _, parent := range []string{filepath.Dir(to), filepath.Dir(sum)} {
		if err := os.MkdirAll(parent, 0o755); err != nil {
			return err
		}
	}
	// The sum first: a package without one is not offered.
	if err := os.WriteFile(sum, fmt.Appendf(nil, sumFormat, p.Sum, p.Bytes), 0o644); err != nil {
		return err
	}
	if err := os.Rename(dir, to); err != nil {
		if s.has(p) {
			return nil // another session was faster
		}
		return err
	}
	return os.Chmod(to, 0o555) // a directory that is read-only can't be moved
}

// copier copies a tree of a directory that a template can write to: directories and regular files, nothing else.
type copier struct {
	ctx   context.Context
	root  *os.Root
	files int
	bytes int64
}

func (c *copier) copy(from, to string) error {
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	entries, err := fs.ReadDir(c.root.FS(), from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if c.files++; c.files > maxPackageFiles {
			return fmt.Errorf("it has more than %d files", maxPackageFiles)
		}
		name, target := path.Join(from, e.Name()), filepath.Join(to, e.Name())
		switch e.Type() {
		case fs.ModeDir:
			if err = c.copy(name, target); err == nil {
				err = os.Chmod(target, 0o555)
			}
		case 0:
			err = c.copyFile(name, target)
		default:
			err = fmt.Errorf("%s is neither a file nor a directory", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) copyFile(from, to string) error {
	in, err := openRegular(c.root, from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	left := maxPackageBytes - c.bytes
	n, err := io.Copy(out, io.LimitReader(&readerUntil{c.ctx, in}, left+1))
	if c.bytes += n; err == nil && n > left {
		err = fmt.Errorf("it has more than %d bytes", int64(maxPackageBytes))
	}
	return errors.Join(err, out.Chmod(0o444|info.Mode()&0o111), out.Close())
}

// readerUntil reads until a context ends.
type readerUntil struct {
	ctx context.Context
	in  io.Reader
}

func (r *readerUntil) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.in.Read(b)
}

// openRegular opens a regular file in a directory that a template can write to.
func openRegular(root *os.Root, name string) (*os.File, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	// Without blocking: it may be a FIFO by now.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if opened, err := f.Stat(); err != nil || !os.SameFile(info, opened) {
		return nil, errors.Join(fmt.Errorf("%s was exchanged", name), err, f.Close())
	}
	return f, nil
}
