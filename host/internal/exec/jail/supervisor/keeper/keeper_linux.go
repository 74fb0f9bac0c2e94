// Package keeper is what the supervisor of an apply keeps states with once the daemon is gone. It imports more than package supervisor may: other
// supervisors begin before it is initialized.
package keeper

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host/internal/exec/jail/supervisor"
	"github.com/provisor/provisor/host/internal/workdir/recovery/copies"
)

func init() { supervisor.UseKeeper(keep) }

// keep begins to copy. Where it can't, what the daemon has copied and the files themselves are left to the next daemon.
func keep(k *supervisor.Keep) (end func()) {
	root, err := os.OpenRoot(k.Work)
	if err != nil {
		return nil
	}
	copier := copies.New(copies.Options{Work: k.Work, Root: root, Dir: k.Dir, Files: k.Files, Reader: copies.NewReader()})
	if copier.Resume() != nil {
		_ = root.Close()
		return nil
	}
	// Where the kernel gives no watch, the copier finds out when it looks by itself.
	events := watch(k.Work, copier.Wake)
	copier.Begin()
	return func() {
		if events != nil {
			_ = events.Close()
		}
		copier.End() // it looks for the last time: the program and all that it has started is gone
		_ = root.Close()
	}
}

// watch tells of changes in a directory until the file that it returns is closed, or returns nil.
func watch(dir string, wake func()) *os.File {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil
	}
	events := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		_ = events.Close()
		return nil
	}
	go func() {
		b := make([]byte, 16<<10)
		for {
			if _, err := events.Read(b); err != nil {
				return
			}
			wake()
		}
	}()
	return events
}
