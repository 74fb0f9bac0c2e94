package jailfs

import (
	"io"
	"os"
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental/sys"
	wasys "github.com/tetratelabs/wazero/sys"
)

// direntCost is what wazero's copy of a directory entry takes, without its name.
const direntCost = 64

// dir is an open directory.
type dir struct {
	sys.DirFile
	fs       *FS
	os       *os.File
	name     string
	dev, ino uint64
	entries  direntReader
	listed   int64 // charged for entries that wazero keeps
	onClose  func()
	closed   atomic.Bool
}

func newDir(f *FS, opened *os.File, name string, onClose func()) (*dir, error) {
	info, err := opened.Stat()
	if err != nil {
		return nil, err
	}
	st := wasys.NewStat_t(info)
	d := &dir{fs: f, os: opened, name: name, dev: st.Dev, ino: st.Ino, onClose: onClose}
	f.remember(opened, func() { d.Close() })
	return d, nil
}

// Close implements sys.File.
func (d *dir) Close() sys.Errno {
	if d.closed.Swap(true) {
		return 0
	}
	d.fs.forget(d.os)
	err := d.os.Close()
	d.unlist()
	d.onClose()
	return errnoOf(err)
}

// Dev implements sys.File.
func (d *dir) Dev() (uint64, sys.Errno) { return d.dev, 0 }

// Ino implements sys.File.
func (d *dir) Ino() (wasys.Inode, sys.Errno) { return d.ino, 0 }

// Stat implements sys.File.
func (d *dir) Stat() (wasys.Stat_t, sys.Errno) {
	info, err := d.os.Stat()
	if err != nil {
		return wasys.Stat_t{}, d.fail("stat", err)
	}
	return wasys.NewStat_t(info), 0
}

// Seek implements sys.File: a directory can be rewound.
func (d *dir) Seek(offset fileOffset, whence int) (int64, sys.Errno) {
	if offset != 0 || whence != io.SeekStart {
		return 0, sys.EINVAL
	}
	if _, err := d.os.Seek(0, io.SeekStart); err != nil {
		return 0, d.fail("rewind", err)
	}
	d.entries = direntReader{}
	d.unlist()
	return 0, 0
}

// Readdir implements sys.File. wazero takes less than n for the end, so this goes on until there are n.
func (d *dir) Readdir(n int) ([]sys.Dirent, sys.Errno) {
	var all []sys.Dirent
	for n <= 0 || len(all) < n {
		want := 1024
		if n > 0 {
			want = min(want, n-len(all))
		}
		entries, err := d.entries.read(d.os, want)
		if err := d.list(entries); err != nil {
			return nil, d.fail("list", err)
		}
		all = append(all, entries...)
		if err == io.EOF {
			break
		} else if err != nil {
			return all, d.fail("list", err)
		}
	}
	return all, 0
}

func (d *dir) list(entries []sys.Dirent) error {
	var cost int64
	for _, e := range entries {
		cost += direntCost + int64(len(e.Name))
	}
	if err := d.fs.quota.list(d.name, cost); err != nil {
		return err
	}
	d.listed += cost
	return nil
}

func (d *dir) unlist() {
	_ = d.fs.quota.list(d.name, -d.listed) // taking back is never refused
	d.listed = 0
}

// Sync implements sys.File.
func (d *dir) Sync() sys.Errno {
	if err := d.os.Sync(); err != nil {
		return d.fail("sync", err)
	}
	return 0
}

// Datasync implements sys.File.
func (d *dir) Datasync() sys.Errno { return d.Sync() }

// Utimens implements sys.File.
func (d *dir) Utimens(atim, mtim int64) sys.Errno { return futimens(d.os, atim, mtim) }

func (d *dir) fail(op string, err error) sys.Errno { return d.fs.fail(op, d.name, err) }
