//go:build unix

package diskwatch

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// tree counts a directory with all below it. It follows no links, and waits for nothing.
func (l *look) tree(dir string) error { return l.directory(unix.AT_FDCWD, dir, 0) }

// directory counts a directory, whose name is relative to its open parent. The programs go on meanwhile: what they have taken away is not
// there.
func (l *look) directory(parent int, name string, depth int) error {
	if depth > maxDepth {
		return &LimitError{Limit: "levels of directories", Value: maxDepth}
	}
	fd, err := openDir(parent, name)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into the session's directory %q: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if depth == 0 {
		var stat unix.Stat_t
		if unix.Fstat(fd, &stat) == nil {
			l.devices[uint64(stat.Dev)] = true
		}
	}
	for {
		names, err := f.Readdirnames(1024)
		for _, name := range names {
			if l.enough() {
				return nil
			}
			if err := l.entry(fd, name, depth); err != nil {
				return err
			}
		}
		if err == io.EOF || isGone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look into the session's directory %q: %w", name, err)
		}
	}
}

// entry counts what is in a directory by that name.
func (l *look) entry(dir int, name string, depth int) error {
	var stat unix.Stat_t
	if unix.Fstatat(dir, name, &stat, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return nil // gone
	}
	switch isDir := stat.Mode&unix.S_IFMT == unix.S_IFDIR; {
	case isDir:
		l.add(stat.Blocks * 512)
		return l.directory(dir, name, depth+1)
	case stat.Nlink == 1:
		l.add(stat.Blocks * 512)
	default:
		l.addOnce(fileID{uint64(stat.Dev), uint64(stat.Ino)}, stat.Blocks*512)
	}
	return nil
}

// openDir opens a directory. Its owner may have made it one that nobody reads.
func openDir(parent int, name string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(parent, name, flags, 0)
	if err == unix.EACCES && makeReadable(parent, name) == nil {
		fd, err = unix.Openat(parent, name, flags, 0)
	}
	return fd, err
}

// isGone: it is no longer there, or something else is.
func isGone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}
