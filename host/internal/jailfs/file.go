package jailfs

import (
	"io"
	"math"
	"os"
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental/sys"
	wasys "github.com/tetratelabs/wazero/sys"
)

// maxRead is the most that one call reads: a guest may ask for as much as its memory holds, over and over in one call, and
// the host can't be interrupted meanwhile. A short read is no end of the file.
const maxRead = 16 << 20

// file is an open regular file. It keeps its own offset, so that what a write makes the file grow is known before.
type file struct {
	sys.UnimplementedFile
	fs               *FS
	os               *os.File
	name             string
	id               fileID
	dev, ino         uint64
	readable, append bool
	writable         bool
	pos              int64
	closed           atomic.Bool
}

func newFile(f *FS, opened *os.File, name string, flag sys.Oflag, st *wasys.Stat_t) *file {
	write := flag&(sys.O_RDWR|sys.O_WRONLY) != 0
	n := &file{
		fs: f, os: opened, name: name, id: f.id(name, st), dev: st.Dev, ino: st.Ino,
		writable: write, readable: flag&sys.O_WRONLY == 0, append: flag&sys.O_APPEND != 0,
	}
	f.quota.hold(n.id)
	f.remember(opened, func() { n.Close() })
	return n
}

// Close implements sys.File.
func (f *file) Close() sys.Errno {
	if f.closed.Swap(true) {
		return 0
	}
	f.fs.forget(f.os)
	err := f.os.Close()
	f.fs.quota.drop(f.id)
	f.fs.quota.close()
	return errnoOf(err)
}

// Dev implements sys.File.
func (f *file) Dev() (uint64, sys.Errno) { return f.dev, 0 }

// Ino implements sys.File.
func (f *file) Ino() (wasys.Inode, sys.Errno) { return f.ino, 0 }

// IsDir implements sys.File.
func (f *file) IsDir() (bool, sys.Errno) { return false, 0 }

// IsAppend implements sys.File.
func (f *file) IsAppend() bool { return f.append }

// SetAppend implements sys.File.
func (f *file) SetAppend(enable bool) sys.Errno {
	f.append = enable
	return 0
}

// Stat implements sys.File.
func (f *file) Stat() (wasys.Stat_t, sys.Errno) {
	info, err := f.os.Stat()
	if err != nil {
		return wasys.Stat_t{}, f.fail("stat", err)
	}
	return wasys.NewStat_t(info), 0
}

// Read implements sys.File.
func (f *file) Read(buf []byte) (int, sys.Errno) {
	n, errno := f.Pread(buf, f.pos)
	f.pos += int64(n)
	return n, errno
}

// Pread implements sys.File.
func (f *file) Pread(buf []byte, off int64) (int, sys.Errno) {
	switch {
	case !f.readable:
		return 0, sys.EBADF
	case off < 0:
		return 0, sys.EINVAL
	case len(buf) == 0:
		return 0, 0
	}
	n, err := f.os.ReadAt(buf[:min(len(buf), maxRead)], off)
	if err != nil && err != io.EOF {
		return n, f.fail("read", err)
	}
	return n, 0
}

// fileOffset is an int64 by another name: go vet takes every Seek(int64, int) for io.Seeker's and calls its result wrong.
type fileOffset = int64

// Seek implements sys.File.
func (f *file) Seek(offset fileOffset, whence int) (int64, sys.Errno) {
	var base int64
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		base = f.pos
	case io.SeekEnd:
		st, errno := f.Stat()
		if errno != 0 {
			return 0, errno
		}
		base = st.Size
	default:
		return 0, sys.EINVAL
	}
	if offset > math.MaxInt64-base || base+offset < 0 {
		return 0, sys.EINVAL
	}
	f.pos = base + offset
	return f.pos, 0
}

// Write implements sys.File.
func (f *file) Write(buf []byte) (int, sys.Errno) {
	if !f.append {
		n, errno := f.Pwrite(buf, f.pos)
		f.pos += int64(n)
		return n, errno
	}
	if !f.writable {
		return 0, sys.EBADF
	}
	if len(buf) == 0 {
		return 0, 0
	}
	st, errno := f.Stat()
	if errno != 0 {
		return 0, errno
	}
	n, errno := f.writeAt(buf, st.Size, st.Size)
	f.pos = st.Size + int64(n)
	return n, errno
}

// Pwrite implements sys.File.
func (f *file) Pwrite(buf []byte, off int64) (int, sys.Errno) {
	switch {
	case !f.writable:
		return 0, sys.EBADF
	case off < 0 || off > math.MaxInt64-int64(len(buf)):
		return 0, sys.EINVAL
	case len(buf) == 0:
		return 0, 0
	}
	st, errno := f.Stat()
	if errno != 0 {
		return 0, errno
	}
	return f.writeAt(buf, off, st.Size)
}

// writeAt charges what the file of that size grows by, writes, and gives back what was not written.
func (f *file) writeAt(buf []byte, off, size int64) (int, sys.Errno) {
	growth := max(0, off+int64(len(buf))-size)
	if growth > 0 {
		if err := f.fs.quota.grow(f.id, "write", f.name, growth); err != nil {
			return 0, f.fail("write", err)
		}
	}
	n, err := f.os.WriteAt(buf, off)
	if n < len(buf) && growth > 0 {
		f.fs.quota.shrink(f.id, growth-max(0, off+int64(n)-size))
	}
	if err != nil {
		return n, f.fail("write", err)
	}
	return n, 0
}

// Truncate implements sys.File.
func (f *file) Truncate(size int64) sys.Errno {
	switch {
	case !f.writable:
		return sys.EBADF
	case size < 0:
		return sys.EINVAL
	}
	st, errno := f.Stat()
	if errno != 0 {
		return errno
	}
	growth := size - st.Size
	if growth > 0 {
		if err := f.fs.quota.grow(f.id, "extend", f.name, growth); err != nil {
			return f.fail("extend", err)
		}
	}
	if err := f.os.Truncate(size); err != nil {
		f.fs.quota.shrink(f.id, max(0, growth))
		return f.fail("truncate", err)
	}
	f.fs.quota.shrink(f.id, max(0, -growth))
	return 0
}

// Sync implements sys.File.
func (f *file) Sync() sys.Errno {
	if err := f.os.Sync(); err != nil {
		return f.fail("sync", err)
	}
	return 0
}

// Datasync implements sys.File.
func (f *file) Datasync() sys.Errno { return f.Sync() }

// Utimens implements sys.File.
func (f *file) Utimens(atim, mtim int64) sys.Errno { return futimens(f.os, atim, mtim) }

func (f *file) fail(op string, err error) sys.Errno { return f.fs.fail(op, f.name, err) }
