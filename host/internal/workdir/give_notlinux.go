//go:build unix && !linux

package workdir

import "golang.org/x/sys/unix"

// openEntry opens a file or a directory, and waits for nothing.
const openEntry = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC

func chownEntry(fd, user int) error { return unix.Fchown(fd, user, user) }
