package exec

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/provisor/provisor/abi"
)

// inputSize is how much of standard input waits in memory for the program to read it, beside what its pipe holds.
const inputSize = 64 << 10

var errInputClosed = errors.New("standard input is closed")

// Write hands b to the program's standard input. It never waits: it returns how many bytes were taken, 0 if the program
// has not read what was written before.
func (p *Process) Write(b []byte) (int, error) {
	if p.stdin == nil {
		return 0, fmt.Errorf("write to %s: it was started without standard input: %w", p.program.Path, abi.WrongState)
	}
	n, err := p.stdin.write(b)
	if err != nil {
		return n, fmt.Errorf("write to %s: %w", p.program.Path, err)
	}
	return n, nil
}

// CloseStdin ends standard input after what was written. It does not wait for the program to read it.
func (p *Process) CloseStdin() error {
	if p.stdin == nil {
		return fmt.Errorf("close standard input of %s: it was started without: %w", p.program.Path, abi.WrongState)
	}
	p.stdin.end()
	return nil
}

// input carries bytes from Write to the program's pipe.
type input struct {
	pipe *os.File

	mu      sync.Mutex
	changed *sync.Cond
	waiting []byte // not yet taken by copy
	flying  int    // bytes that copy is writing
	closing bool
	err     error // why nothing more can be written
}

func newInput(pipe *os.File) *input {
	in := &input{pipe: pipe}
	in.changed = sync.NewCond(&in.mu)
	return in
}

func (in *input) write(b []byte) (int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err != nil {
		return 0, fmt.Errorf("%w: %w", in.err, abi.IO)
	}
	if in.closing {
		return 0, fmt.Errorf("%w: %w", errInputClosed, abi.WrongState)
	}
	n := min(len(b), inputSize-len(in.waiting)-in.flying)
	in.waiting = append(in.waiting, b[:n]...)
	in.changed.Signal()
	return n, nil
}

func (in *input) end() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closing = true
	in.changed.Signal()
}

// copy moves bytes to the pipe until end was called and all is written, or the pipe breaks.
func (in *input) copy() {
	defer in.pipe.Close()
	for {
		b := in.next()
		if b == nil {
			return
		}
		_, err := in.pipe.Write(b)
		in.mu.Lock()
		in.flying = 0
		if err != nil {
			in.err = fmt.Errorf("the program no longer reads: %w", err)
		}
		in.mu.Unlock()
	}
}

// next waits for bytes to write; nil = there are no more.
func (in *input) next() []byte {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.waiting) == 0 && !in.closing && in.err == nil {
		in.changed.Wait()
	}
	if in.err != nil || len(in.waiting) == 0 {
		return nil
	}
	b := in.waiting
	in.waiting, in.flying = nil, len(b)
	return b
}

// abandon ends the input after the program is gone: nobody will read what waits.
func (in *input) abandon() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err == nil {
		in.err = os.ErrProcessDone
	}
	in.changed.Signal()
	_ = in.pipe.Close() // wakes a write that waits for a descendant to read
}
