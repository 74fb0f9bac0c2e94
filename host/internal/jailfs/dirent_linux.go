package jailfs

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/tetratelabs/wazero/experimental/sys"
	"golang.org/x/sys/unix"
)

// direntHeader is the length of linux_dirent64 before the name: inode, offset, length of the record, type.
const direntHeader = 8 + 8 + 2 + 1

// direntReader reads a directory with its inode numbers and types, which os.File keeps to itself: C libraries stat every
// entry that comes without, and a stat of each would be ours to do otherwise.
type direntReader struct {
	buf  []byte
	left []byte
}

// read returns up to n entries, fewer when there happen to be fewer at hand, and io.EOF at the end.
func (r *direntReader) read(dir *os.File, n int) ([]sys.Dirent, error) {
	if len(r.left) == 0 {
		if err := r.fill(dir); err != nil {
			return nil, err
		}
	}
	var entries []sys.Dirent
	for len(r.left) >= direntHeader && len(entries) < n {
		record := r.left
		length := int(binary.NativeEndian.Uint16(record[16:]))
		if length < direntHeader || length > len(record) {
			return entries, syscall.EIO
		}
		r.left = record[length:]
		name, _, _ := bytes.Cut(record[direntHeader:length], []byte{0})
		if s := string(name); s != "." && s != ".." {
			mode, err := direntType(dir, s, record[18])
			if err != nil {
				continue // gone meanwhile
			}
			entries = append(entries, sys.Dirent{Ino: binary.NativeEndian.Uint64(record), Name: s, Type: mode})
		}
	}
	return entries, nil
}

func (r *direntReader) fill(dir *os.File) error {
	if r.buf == nil {
		r.buf = make([]byte, 16<<10)
	}
	raw, err := dir.SyscallConn()
	if err != nil {
		return err
	}
	var n int
	var readErr error
	if err := raw.Control(func(fd uintptr) {
		for {
			if n, readErr = unix.ReadDirent(int(fd), r.buf); readErr != unix.EINTR {
				return
			}
		}
	}); err != nil {
		return err
	}
	if readErr != nil {
		return readErr
	}
	if n <= 0 {
		return io.EOF
	}
	r.left = r.buf[:n]
	return nil
}

// direntType is the type of an entry, from the entry itself where the filesystem says it.
func direntType(dir *os.File, name string, t byte) (fs.FileMode, error) {
	switch t {
	case unix.DT_REG:
		return 0, nil
	case unix.DT_DIR:
		return fs.ModeDir, nil
	case unix.DT_LNK:
		return fs.ModeSymlink, nil
	case unix.DT_FIFO:
		return fs.ModeNamedPipe, nil
	case unix.DT_SOCK:
		return fs.ModeSocket, nil
	case unix.DT_CHR:
		return fs.ModeDevice | fs.ModeCharDevice, nil
	case unix.DT_BLK:
		return fs.ModeDevice, nil
	}
	return statType(dir, name)
}

func statType(dir *os.File, name string) (fs.FileMode, error) {
	raw, err := dir.SyscallConn()
	if err != nil {
		return 0, err
	}
	var st unix.Stat_t
	var statErr error
	if err := raw.Control(func(fd uintptr) {
		statErr = unix.Fstatat(int(fd), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	}); err != nil {
		return 0, err
	}
	if statErr != nil {
		return 0, statErr
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return 0, nil
	case unix.S_IFDIR:
		return fs.ModeDir, nil
	case unix.S_IFLNK:
		return fs.ModeSymlink, nil
	}
	return fs.ModeIrregular, nil
}
