package supervisor

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host/internal/workdir/recovery/copies"
)

// keeping goes on, once the daemon is gone, with what that did for the states of an apply: it copies them aside.
type keeping struct {
	copier *copies.Copier
	root   *os.Root
	events *os.File // nil where the kernel gives no watch: then the copier finds out when it looks by itself
}

// hold opens the directories while they can be seen: the root directory of the program, which will be the supervisor's as well, does not show them.
func (k *Keep) hold() error {
	if k == nil {
		return nil
	}
	for _, dir := range []*string{&k.Work, &k.Dir} {
		fd, err := unix.Open(*dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "keep states: open", Path: *dir, Err: err}
		}
		*dir = fmt.Sprintf("/proc/self/fd/%d", fd)
	}
	return nil
}

// keep begins to copy. Where it can't, what the daemon has copied and the files themselves are left to the next daemon.
func (p *program) keep() {
	if p.Keep == nil {
		return
	}
	root, err := os.OpenRoot(p.Keep.Work)
	if err != nil {
		return
	}
	copier := copies.New(copies.Options{Work: p.Keep.Work, Root: root, Dir: p.Keep.Dir, Files: p.Keep.Files, Reader: copies.NewReader()})
	if copier.Resume() != nil {
		_ = root.Close()
		return
	}
	p.keeping = &keeping{copier: copier, root: root, events: watch(p.Keep.Work, copier.Wake)}
	copier.Begin()
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

// end looks for the last time: the program and all that it has started is gone.
func (k *keeping) end() {
	if k == nil {
		return
	}
	if k.events != nil {
		_ = k.events.Close()
	}
	k.copier.End()
	_ = k.root.Close()
}
