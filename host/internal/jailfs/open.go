package jailfs

import (
	"errors"
	"io/fs"
	"os"

	"github.com/tetratelabs/wazero/experimental/sys"
	wasys "github.com/tetratelabs/wazero/sys"
)

// OpenFile implements sys.FS. The permissions are not the guest's choice: WASI always passes 0600.
func (f *FS) OpenFile(name string, flag sys.Oflag, perm fs.FileMode) (sys.File, sys.Errno) {
	if name == "." && flag == sys.O_RDONLY && perm == 0 {
		return f.openMount()
	}
	path, errno := clean(name)
	if errno != 0 {
		return nil, errno
	}
	if err := f.quota.open("open", path); err != nil {
		return nil, f.fail("open", path, err)
	}
	file, err := f.openFile(path, flag)
	if err != nil {
		f.quota.close()
		return nil, f.fail("open", path, err)
	}
	return file, 0
}

// openMount is for wazero itself, which opens the mount's directory when the guest first needs it. It panics on every
// error but ENOENT, and what it opens is no file of the guest's.
func (f *FS) openMount() (sys.File, sys.Errno) {
	root, err := f.root.Open(".")
	if err != nil {
		return nil, sys.ENOENT
	}
	d, err := newDir(f, root, ".", func() {})
	if err != nil {
		return nil, sys.ENOENT
	}
	return d, 0
}

func (f *FS) openFile(path string, flag sys.Oflag) (sys.File, error) {
	access := flag & (sys.O_RDONLY | sys.O_RDWR | sys.O_WRONLY)
	if flag&sys.O_TRUNC != 0 && access == sys.O_RDONLY {
		return nil, sys.EINVAL
	}
	if flag&sys.O_NOFOLLOW != 0 && flag&sys.O_EXCL == 0 {
		// os.Root follows links within the root, and it alone can do so safely: look first. Who swaps the file for
		// a link between the two gains nothing, the link can't lead out.
		if info, err := f.root.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			if flag&sys.O_DIRECTORY != 0 {
				return nil, sys.ENOTDIR
			}
			return nil, sys.ELOOP
		}
	}
	opened, created, err := f.openOrCreate(path, flag)
	if err != nil {
		return nil, err
	}
	file, err := f.admitFile(opened, path, flag, created)
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return file, nil
}

// openOrCreate tells whether it made the file, which is what counts. It never truncates: that comes when the size is known.
func (f *FS) openOrCreate(path string, flag sys.Oflag) (file *os.File, created bool, err error) {
	native := nativeFlags(flag)
	if flag&(sys.O_CREAT|sys.O_EXCL) != sys.O_CREAT|sys.O_EXCL {
		file, err = f.root.OpenFile(path, native, 0)
		if flag&sys.O_CREAT == 0 || !errors.Is(err, fs.ErrNotExist) {
			return file, false, err
		}
	}
	if err := f.quota.reserve("create", path); err != nil {
		return nil, false, err
	}
	file, err = f.root.OpenFile(path, native|os.O_CREATE|os.O_EXCL, 0o600)
	if flag&sys.O_EXCL == 0 && errors.Is(err, fs.ErrExist) {
		// A link to nothing yet, or another program was quicker. It counts either way.
		file, err = f.root.OpenFile(path, native|os.O_CREATE, 0o600)
	}
	if err != nil {
		f.quota.unreserve()
		return nil, false, err
	}
	return file, true, nil
}

// admitFile looks at what was opened, lets files and directories through, and does what was left: to truncate.
func (f *FS) admitFile(opened *os.File, path string, flag sys.Oflag, created bool) (sys.File, error) {
	info, err := opened.Stat()
	if err != nil {
		return nil, err
	}
	st := wasys.NewStat_t(info)
	if created {
		f.quota.made(f.id(path, &st))
	}
	if err := admit(&st); err != nil {
		return nil, err
	}
	if st.Mode.IsDir() {
		if flag&(sys.O_RDWR|sys.O_WRONLY) != 0 {
			return nil, sys.EISDIR
		}
		return newDir(f, opened, path, f.quota.close)
	}
	if flag&sys.O_DIRECTORY != 0 {
		return nil, sys.ENOTDIR
	}
	file := newFile(f, opened, path, flag, &st)
	if flag&sys.O_TRUNC != 0 && st.Size > 0 {
		if errno := file.Truncate(0); errno != 0 {
			f.quota.drop(file.id)
			f.forget(opened)
			return nil, errno
		}
	}
	return file, nil
}

// admit lets directories and regular files with one name through.
func admit(st *wasys.Stat_t) error {
	switch {
	case st.Mode.IsDir():
		return nil
	case !st.Mode.IsRegular():
		return errSpecial
	case st.Nlink > 1:
		return errHardLink
	}
	return nil
}

// remember keeps what is open, so that Close finds what the guest left.
func (f *FS) remember(opened *os.File, closeFile func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[opened] = closeFile
}

func (f *FS) forget(opened *os.File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, opened)
}
