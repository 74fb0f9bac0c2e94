//go:build unix

package workdir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Share lets programs of another user, with the group of the same number, get to the session's directories, and makes those that are the
// programs' its own. Nobody else gets there. This process must be root's.
func (s *Session) Share(user int) error {
	tenantDir := filepath.Dir(s.Root)
	// What is in there has names that only their owners know, or is shared itself.
	through := []string{filepath.Dir(tenantDir)}
	if places := s.Places(); len(places) > 1 {
		through = append(through, filepath.Dir(s.EngineTmp))
	}
	for _, dir := range through {
		if err := os.Chmod(dir, 0o711); err != nil {
			return fmt.Errorf("share the session's directories: %w", err)
		}
	}
	for _, dir := range []string{tenantDir, s.Root} {
		if err := LetThrough(dir, user); err != nil {
			return fmt.Errorf("share the session's directories: %w", err)
		}
	}
	for _, dir := range []string{s.Work, s.Home, s.EngineTmp} {
		if err := os.Lchown(dir, user, user); err != nil {
			return fmt.Errorf("share the session's directories: %w", err)
		}
	}
	return nil
}

// LetThrough lets a group get to what lies below a directory of this user's, and nobody else.
func LetThrough(dir string, group int) error {
	return errors.Join(os.Lchown(dir, os.Getuid(), group), os.Chmod(dir, 0o710))
}

// Give makes what this process's user has put into the work directory the other user's, whose programs are to change it.
func (s *Session) Give(user int) error {
	g := giver{user: user, from: uint32(os.Geteuid())}
	if err := g.entry(unix.AT_FDCWD, s.Work); err != nil {
		return fmt.Errorf("give the session's files to user %d: %w", user, err)
	}
	return nil
}

// giver gives away files. Programs of the user may be at work among them: only what can't have been put there from elsewhere is given.
type giver struct {
	user int
	from uint32
}

// entry gives a file, or a directory with all that is in it. The name is relative to an open directory; what it leads to is looked at once
// it is open, and no link is followed.
func (g *giver) entry(parent int, name string) error {
	fd, err := unix.Openat(parent, name, openEntry, 0)
	if err != nil {
		return ignoreGone(err)
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	isDir := stat.Mode&unix.S_IFMT == unix.S_IFDIR
	// A file with several names may be one that somebody has in another place.
	if stat.Uid == g.from && (isDir || stat.Mode&unix.S_IFMT == unix.S_IFREG && stat.Nlink == 1) {
		if err := chownEntry(fd, g.user); err != nil {
			return err
		}
	}
	if !isDir {
		return nil
	}
	dir, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(dir), name)
	defer f.Close()
	for {
		entries, err := f.ReadDir(1024)
		for _, e := range entries {
			if !e.IsDir() && !e.Type().IsRegular() {
				continue
			}
			if err := g.entry(dir, e.Name()); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return ignoreGone(err)
		}
	}
}

// ignoreGone: a program was quicker.
func ignoreGone(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	return err
}
