//go:build unix

package exec

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// readEnd is this process's end of a pipe that a program writes to. It is with Go's poller only while a read waits: otherwise each line that
// is written would wake the poller up, also while lines are being gathered.
type readEnd struct {
	*os.File // not with the poller, and does not block

	mu      sync.Mutex
	waiting *os.File // the same pipe, with the poller
	expired bool
}

// newReadEnd takes over the end of a pipe.
func newReadEnd(r *os.File) (*readEnd, error) {
	defer r.Close()
	fd, err := duplicate(r)
	if err != nil {
		return nil, err
	}
	// What blocks when the file is made is not for the poller.
	err = syscall.SetNonblock(fd, false)
	end := &readEnd{File: os.NewFile(uintptr(fd), r.Name())}
	if err := errors.Join(err, syscall.SetNonblock(fd, true)); err != nil {
		return nil, errors.Join(err, end.Close())
	}
	return end, nil
}

func duplicate(f *os.File) (fd int, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := conn.Control(func(of uintptr) { fd, err = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(controlErr, err)
}

// Read waits until there is something, the pipe ends, or expire was called.
func (r *readEnd) Read(buf []byte) (int, error) {
	for {
		r.mu.Lock()
		expired := r.expired
		r.mu.Unlock()
		if expired {
			return 0, os.ErrDeadlineExceeded
		}
		n, err := r.now(buf)
		switch {
		case err == nil && n == 0:
			return 0, io.EOF
		case err != syscall.EAGAIN:
			return max(0, n), err
		}
		fd, err := duplicate(r.File)
		if err == nil {
			return r.wait(os.NewFile(uintptr(fd), r.Name()), buf)
		}
		time.Sleep(gather) // too many files are open
	}
}

func (r *readEnd) wait(f *os.File, buf []byte) (int, error) {
	defer f.Close()
	r.mu.Lock()
	r.waiting = f
	if r.expired {
		expire(f)
	}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.waiting = nil
	}()
	return f.Read(buf)
}

// expire makes a read that waits return, and the next ones too.
func (r *readEnd) expire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expired = true
	if r.waiting != nil {
		expire(r.waiting)
	}
}

func expire(f *os.File) { _ = f.SetReadDeadline(time.Unix(1, 0)) }

// more reads what there is without waiting, and without heed of expire; 0 = nothing, or the end.
func (r *readEnd) more(buf []byte) int {
	n, _ := r.now(buf)
	return max(0, n)
}

func (r *readEnd) now(buf []byte) (n int, err error) {
	conn, err := r.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := conn.Control(func(fd uintptr) {
		for {
			if n, err = syscall.Read(int(fd), buf); err != syscall.EINTR {
				return
			}
		}
	})
	if controlErr != nil {
		return 0, controlErr
	}
	return n, err
}
