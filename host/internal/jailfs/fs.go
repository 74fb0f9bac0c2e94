package jailfs

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/tetratelabs/wazero/experimental/sys"
	wasys "github.com/tetratelabs/wazero/sys"
)

// An FS is one mount: a directory that a guest can't leave. Its sys.FS methods are for one guest at a time.
type FS struct {
	sys.UnimplementedFS
	root  *os.Root
	quota *Quota
	dev   uint64

	mu   sync.Mutex
	open map[*os.File]func() // how to close what is open
}

var _ sys.FS = (*FS)(nil)

// Open is a mount of a directory of the host. Mounts of one guest share a quota.
func Open(dir string, q *Quota) (*FS, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the mount %s: %w", dir, err)
	}
	info, err := root.Lstat(".")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the mount %s: %w", dir, err), root.Close())
	}
	st := wasys.NewStat_t(info)
	f := &FS{root: root, quota: q, dev: st.Dev, open: map[*os.File]func(){}}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mounts = append(q.mounts, f)
	return f, nil
}

// Close closes the mount and every file that the guest left open.
func (f *FS) Close() error {
	f.mu.Lock()
	left := make([]func(), 0, len(f.open))
	for _, closeFile := range f.open {
		left = append(left, closeFile)
	}
	f.mu.Unlock()
	for _, closeFile := range left {
		closeFile()
	}
	return f.root.Close()
}

// Quota is what the mount counts against.
func (f *FS) Quota() *Quota { return f.quota }

// Lstat implements sys.FS.
func (f *FS) Lstat(name string) (wasys.Stat_t, sys.Errno) {
	return f.stat(name, "lstat", f.root.Lstat)
}

// Stat implements sys.FS.
func (f *FS) Stat(name string) (wasys.Stat_t, sys.Errno) {
	return f.stat(name, "stat", f.root.Stat)
}

func (f *FS) stat(name, op string, stat func(string) (fs.FileInfo, error)) (wasys.Stat_t, sys.Errno) {
	path, errno := clean(name)
	if errno != 0 {
		return wasys.Stat_t{}, errno
	}
	info, err := stat(path)
	if err != nil {
		return wasys.Stat_t{}, f.fail(op, path, err)
	}
	return wasys.NewStat_t(info), 0
}

// Mkdir implements sys.FS. WASI knows no modes: a directory is the session's alone, 0700.
func (f *FS) Mkdir(name string, _ fs.FileMode) sys.Errno {
	return f.create("mkdir", name, func(path string) error { return f.root.Mkdir(path, 0o700) })
}

// Symlink implements sys.FS. A link that points out of the mount is refused.
func (f *FS) Symlink(target, link string) sys.Errno {
	if len(target) > maxPath {
		return sys.ENAMETOOLONG
	}
	return f.create("symlink", link, func(path string) error {
		if leavesLexically(target, path) {
			return errEscape
		}
		return f.root.Symlink(target, path)
	})
}

// create makes one name under the quota.
func (f *FS) create(op, name string, do func(path string) error) sys.Errno {
	path, errno := clean(name)
	if errno != 0 {
		return errno
	}
	if err := f.quota.reserve(op, path); err != nil {
		return f.fail(op, path, err)
	}
	if err := do(path); err != nil {
		f.quota.unreserve()
		return f.fail(op, path, err)
	}
	info, err := f.root.Lstat(trimSlash(path))
	if err != nil { // another program was quicker to remove it
		f.quota.unreserve()
		return 0
	}
	st := wasys.NewStat_t(info)
	f.quota.made(f.id(path, &st))
	return 0
}

// Readlink implements sys.FS. Where an absolute link leads is the host's business: the text is not told.
func (f *FS) Readlink(name string) (string, sys.Errno) {
	path, errno := clean(name)
	if errno != 0 {
		return "", errno
	}
	target, err := f.root.Readlink(path)
	if err != nil {
		return "", f.fail("readlink", path, err)
	}
	return toSlash(target), 0
}

// Link implements sys.FS: there are no hard links.
func (f *FS) Link(string, name string) sys.Errno {
	return f.fail("link", name, errNoLinks)
}

// Unlink implements sys.FS.
func (f *FS) Unlink(name string) sys.Errno { return f.remove("unlink", name, false) }

// Rmdir implements sys.FS.
func (f *FS) Rmdir(name string) sys.Errno { return f.remove("rmdir", name, true) }

func (f *FS) remove(op, name string, dir bool) sys.Errno {
	path, errno := clean(name)
	if errno != 0 {
		return errno
	}
	info, err := f.root.Lstat(path)
	if err != nil {
		return f.fail(op, path, err)
	}
	switch {
	case dir && !info.IsDir():
		return sys.ENOTDIR
	case !dir && info.IsDir():
		return sys.EISDIR
	}
	if err := f.root.Remove(path); err != nil {
		return f.fail(op, path, err)
	}
	f.gone(path, info)
	return 0
}

// Rename implements sys.FS.
func (f *FS) Rename(from, to string) sys.Errno {
	from, errno := clean(from)
	if errno != 0 {
		return errno
	}
	to, errno = clean(to)
	if errno != 0 {
		return errno
	}
	old, oldErr := f.root.Lstat(from)
	replaced, newErr := f.root.Lstat(to)
	if err := f.root.Rename(from, to); err != nil {
		return f.fail("rename", from, err)
	}
	if oldErr == nil && newErr == nil && !os.SameFile(old, replaced) {
		f.gone(to, replaced)
	}
	return 0
}

// gone credits a file whose name was removed, unless it has others.
func (f *FS) gone(path string, info fs.FileInfo) {
	st := wasys.NewStat_t(info)
	if st.Nlink > 1 && !info.IsDir() {
		return
	}
	f.quota.removed(f.id(path, &st))
}

// Utimens implements sys.FS.
func (f *FS) Utimens(name string, atim, mtim int64) sys.Errno {
	path, errno := clean(name)
	if errno != 0 {
		return errno
	}
	info, err := f.root.Stat(path)
	if err == nil {
		st := wasys.NewStat_t(info)
		err = admit(&st)
	}
	if err == nil {
		err = f.root.Chtimes(path, timeOf(atim), timeOf(mtim))
	}
	if err != nil {
		return f.fail("utimens", path, err)
	}
	return 0
}

// timeOf is the zero time, which os takes for "leave it", where the guest omits it.
func timeOf(nanos int64) time.Time {
	if nanos == sys.UTIME_OMIT {
		return time.Time{}
	}
	return time.Unix(0, nanos)
}

// fail remembers why, where a number can't say it, and gives the number.
func (f *FS) fail(op, path string, err error) sys.Errno {
	errno := errnoOf(err)
	var limit *LimitError
	switch {
	case errors.As(err, &limit):
		f.quota.setLast(limit)
	case errno == sys.EPERM || errno == errnoFull || errno == errnoTooManyOpen:
		f.quota.setLast(fmt.Errorf("%s %q: %w", op, path, cause(err)))
	}
	return errno
}

// id says which file it is. Where the system has no numbers for files, its name must do.
func (f *FS) id(path string, st *wasys.Stat_t) fileID {
	if st.Ino != 0 {
		return fileID{st.Dev, st.Ino}
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%p %s", f, trimSlash(path))
	return fileID{0, h.Sum64()}
}
