package guesttest

import (
	"io"
	"sync"

	"github.com/provisor/provisor/abi"
)

// stdinCapacity is how much input a program need not have read yet, as a pipe holds it.
const stdinCapacity = 64 << 10

// stdin is a program's input: a pipe whose writing end never blocks.
type stdin struct {
	mu     sync.Mutex
	change *sync.Cond
	buf    []byte
	closed bool // nothing more will be written
	broken bool // nothing more will be read
	none   bool // the program was started without an input
}

func newStdin(open bool) *stdin {
	s := &stdin{closed: !open, none: !open}
	s.change = sync.NewCond(&s.mu)
	return s
}

// Read is the program's end.
func (s *stdin) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.buf) == 0 && !s.closed && !s.broken {
		s.change.Wait()
	}
	if len(s.buf) == 0 || s.broken {
		return 0, io.EOF
	}
	n := copy(b, s.buf)
	s.buf = s.buf[n:]
	return n, nil
}

// take is exec_write: it takes what fits.
func (s *stdin) take(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.none:
		return 0, failf(abi.WrongState, "exec_write: the program was started without stdin")
	case s.broken:
		return 0, failf(abi.IO, "exec_write: the program does not read its input any more")
	case s.closed:
		return 0, failf(abi.WrongState, "exec_write: the input is closed")
	}
	n := min(len(b), stdinCapacity-len(s.buf))
	s.buf = append(s.buf, b[:n]...)
	s.change.Broadcast()
	return n, nil
}

func (s *stdin) closeInput() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.change.Broadcast()
}

func (s *stdin) breakPipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
	s.change.Broadcast()
}
