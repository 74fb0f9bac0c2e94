package filecache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/provisor/provisor/abi"
)

// maxPaths is how many paths one entry may have; what is below them is another matter.
const maxPaths = 256

// checkPaths cleans the paths below a work directory and refuses those that are not, or that lie in each other.
func checkPaths(paths []string) ([]string, error) {
	if len(paths) == 0 {
		return nil, fmt.Errorf("%w: there are no paths", abi.Invalid)
	}
	if len(paths) > maxPaths {
		return nil, fmt.Errorf("%w: %d paths, at most %d are taken", abi.Limit, len(paths), maxPaths)
	}
	var clean []string
	for _, p := range paths {
		c := path.Clean(p)
		if p == "" || c == "." || strings.ContainsRune(p, 0) || !filepath.IsLocal(filepath.FromSlash(p)) {
			return nil, fmt.Errorf("%w: the path %q is not one below %s", abi.Invalid, p, abi.WorkDir)
		}
		clean = append(clean, c)
	}
	// In this order a path is followed by all that lie in it.
	slices.SortFunc(clean, func(a, b string) int {
		return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
	})
	for i, p := range clean[1:] {
		if before := clean[i]; p == before || strings.HasPrefix(p, before+"/") {
			return nil, fmt.Errorf("%w: the path %q is %q or lies in it", abi.Invalid, p, before)
		}
	}
	return clean, nil
}

// collector copies files of a work directory into an entry.
type collector struct {
	ctx   context.Context
	cache *Cache
	root  *os.Root
	entry string
	m     manifest
	bytes int64
}

// collect makes an entry of paths below the directory work.
func (c *Cache) collect(ctx context.Context, entry, work string, paths []string) error {
	root, err := os.OpenRoot(work)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := os.Mkdir(filepath.Join(entry, filesDir), 0o700); err != nil {
		return err
	}
	k := &collector{ctx: ctx, cache: c, root: root, entry: entry, m: manifest{Paths: paths}}
	for _, p := range paths {
		if err := k.realParents(p); err != nil {
			return err
		}
		if err := k.add(p); err != nil {
			return err
		}
	}
	return k.m.write(entry)
}

// realParents refuses a path through a symlink: nothing says what it would be in another session.
func (k *collector) realParents(p string) error {
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		info, err := k.root.Lstat(dir)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return fmt.Errorf("%w: %q is no directory, but %v", abi.Denied, dir, info.Mode().Type())
		}
	}
	return nil
}

// add adds a path and all that is below it.
func (k *collector) add(top string) error {
	pending := []string{top}
	for len(pending) > 0 {
		name := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if k.ctx.Err() != nil {
			return context.Cause(k.ctx)
		}
		info, err := k.root.Lstat(name)
		if err != nil {
			return err
		}
		if len(k.m.Nodes) >= k.cache.o.MaxEntryFiles {
			return fmt.Errorf("%w: more than %d files", abi.Limit, k.cache.o.MaxEntryFiles)
		}
		n := node{Name: name, Mode: info.Mode().Perm()}
		switch info.Mode().Type() {
		case 0:
			err = k.copy(&n, info)
		case fs.ModeSymlink:
			n.Mode = 0
			if n.Link, err = k.root.Readlink(name); err == nil {
				err = k.cache.checkLink(name, n.Link)
			}
		case fs.ModeDir:
			n.Mode |= fs.ModeDir
			var below []string
			if below, err = k.list(name); err == nil {
				pending = append(pending, below...)
			}
		default:
			err = fmt.Errorf("%w: %q is neither file, directory nor symlink, but %v", abi.Denied, name, info.Mode().Type())
		}
		if err != nil {
			return err
		}
		k.m.Nodes = append(k.m.Nodes, n)
	}
	return nil
}

// list are the names in a directory, each with the directory's before it.
func (k *collector) list(dir string) ([]string, error) {
	f, err := k.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var names []string
	for {
		batch, err := f.Readdirnames(1024)
		for _, name := range batch {
			names = append(names, path.Join(dir, name))
		}
		if len(names)+len(k.m.Nodes) > k.cache.o.MaxEntryFiles {
			return nil, fmt.Errorf("%w: more than %d files", abi.Limit, k.cache.o.MaxEntryFiles)
		}
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// copy copies a regular file's content, which is n.Size bytes with the checksum n.SHA256 afterwards.
func (k *collector) copy(n *node, seen fs.FileInfo) error {
	// Without blocking: a program of the session may have put a FIFO there since.
	in, err := k.root.OpenFile(n.Name, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	if info, err := in.Stat(); err != nil {
		return err
	} else if !os.SameFile(seen, info) {
		return fmt.Errorf("%w: %q was changed while it was read", abi.IO, n.Name)
	}
	left := k.cache.o.MaxEntryBytes - k.bytes
	if seen.Size() > left {
		return k.tooLarge()
	}
	out, err := os.OpenFile(contentPath(k.entry, len(k.m.Nodes)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	n.Size, err = copyContent(k.ctx, out, in, left, sum)
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("copy %q: %w", n.Name, err)
	}
	if n.Size > left {
		return k.tooLarge()
	}
	k.bytes += n.Size
	n.SHA256 = sum.Sum(nil)
	return nil
}

func (k *collector) tooLarge() error {
	return fmt.Errorf("%w: more than %d bytes", abi.Limit, k.cache.o.MaxEntryBytes)
}

// contentPath is where an entry has the content of its i-th node.
func contentPath(entry string, i int) string {
	return filepath.Join(entry, filesDir, strconv.Itoa(i))
}

// copyContent copies at most limit bytes and one, into a file of its own: the disk's blocks are shared where the file system can do
// that, since it keeps both files apart, and copied where it can't. It returns the size, and feeds sum with the copy's content. The end of
// ctx ends it.
func copyContent(ctx context.Context, out, in *os.File, limit int64, sum hash.Hash) (int64, error) {
	if clone(out, in) == nil {
		return io.Copy(sum, contextReader{ctx, io.LimitReader(out, limit+1)})
	}
	return io.Copy(io.MultiWriter(out, sum), contextReader{ctx, io.LimitReader(in, limit+1)})
}

// contextReader reads until ctx ends.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(b []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(b)
}
