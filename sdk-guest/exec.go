package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
	"github.com/provisor/provisor/sdk-guest/internal/hostcall"
)

const (
	// readSize is how much output is taken at once.
	readSize = 32 << 10
	// readTimeout is how long output is waited for before the plugin's other goroutines get their turn (each turn costs the host a quarter of a
	// millisecond), and stdinTimeout the same while the program does not take its input.
	readTimeout  = time.Second
	stdinTimeout = 5 * time.Millisecond
	// defaultWaitDelay is Cmd.WaitDelay's default.
	defaultWaitDelay = 10 * time.Second
)

// Cmd is a program to run, in the manner of os/exec. It runs once.
type Cmd struct {
	// Program is the logical name that the operator maps to a binary: "terraform".
	Program string
	// Args are the arguments without the program's own name. Paths in them are relative to Dir: the program need not see
	// WorkDir under the plugin's name for it.
	Args []string
	// Env is added to the environment that the host builds: NAME=value, each name once. A name that the operator does not
	// allow is an error.
	Env []string
	// Dir is the working directory, relative to WorkDir; empty is WorkDir itself.
	Dir string
	// Stdin is what the program reads; nil is an empty input. It is read between reads of the program's output: a Read that
	// blocks until the program has said something more blocks for ever.
	Stdin io.Reader
	// Stdout and Stderr take the output as it comes; nil discards it. Each keeps its own order. They are never written to at once.
	Stdout, Stderr io.Writer
	// WaitDelay is the time between the interrupt that the end of the context brings and the kill of a program that goes
	// on; 0 is ten seconds. A cancel of the request does not count here: the host then ends the program in its own time.
	WaitDelay time.Duration
	// Result is how the program ended. It is nil until it has.
	Result *guestpb.ExecResult

	ctx context.Context
}

// Command returns the command that runs a program that the operator grants. If the context ends first, by a deadline of
// the plugin's own for instance, the program is interrupted.
func Command(ctx context.Context, program string, args ...string) *Cmd {
	return &Cmd{Program: program, Args: args, ctx: ctx}
}

// Run starts the program and waits until it has ended and all of its output is written. The error is nil if it exited with
// status 0, an *ExitError if it ended otherwise, and anything else if it could not be started or its input and output not
// be copied.
func (c *Cmd) Run() error {
	if c.ctx == nil {
		return errors.New("guest: make a Cmd with Command")
	}
	if c.Result != nil {
		return fmt.Errorf("run %s: it ran already", c.Program)
	}
	if err := c.ctx.Err(); err != nil {
		return fmt.Errorf("run %s: %w", c.Program, context.Cause(c.ctx))
	}
	p, err := c.start()
	if err != nil {
		return fmt.Errorf("run %s: %w", c.Program, err)
	}
	defer p.close()
	if err := p.copy(); err != nil {
		return fmt.Errorf("run %s: read its output: %w", c.Program, err)
	}
	if c.Result, err = p.wait(); err != nil {
		return fmt.Errorf("run %s: wait for its end: %w", c.Program, err)
	}
	if c.Result.GetExitCode() != 0 || c.Result.GetSignal() != "" {
		e := &ExitError{Result: c.Result}
		if c.ctx.Err() != nil {
			e.cause = context.Cause(c.ctx)
		}
		return e
	}
	if p.copyErr != nil {
		return fmt.Errorf("run %s: %w", c.Program, p.copyErr)
	}
	return nil
}

// Output runs the program and returns its standard output. If Stderr is nil, an *ExitError carries the standard error.
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("guest: Cmd.Output: Stdout is set already")
	}
	var stdout bytes.Buffer
	c.Stdout = &stdout
	var stderr *prefixSuffix
	if c.Stderr == nil {
		stderr = &prefixSuffix{n: stderrKept}
		c.Stderr = stderr
	}
	err := c.Run()
	if e, ok := err.(*ExitError); ok && stderr != nil {
		e.Stderr = stderr.Bytes()
	}
	return stdout.Bytes(), err
}

// process is a Cmd that was started.
type process struct {
	cmd    *Cmd
	host   hostcall.Host
	handle int32
	// stdout and stderr are nil where output is discarded.
	stdout, stderr io.Writer
	// pending is input that was read and not taken yet; stdin is nil once it is closed.
	stdin         io.Reader
	stdinBuf      []byte
	pending       []byte
	interruptedAt time.Time
	killed        bool
	// copyErr is the first error of the plugin's own reader and writers.
	copyErr error
}

func (c *Cmd) start() (*process, error) {
	request, err := proto.Marshal(&guestpb.ExecRequest{
		Program: c.Program, Args: c.Args, Env: c.Env, Dir: c.Dir, Stdin: c.Stdin != nil,
	})
	if err != nil {
		return nil, err
	}
	p := &process{cmd: c, host: hostcall.Current(), stdin: c.Stdin, stdout: c.Stdout, stderr: c.Stderr}
	p.handle, err = p.host.ExecStart(request)
	return p, noticed(err)
}

// close forgets the process. If it still runs, since a writer panicked say, the host ends it.
func (p *process) close() { _ = noticed(p.host.ExecClose(p.handle)) }

// copy feeds the input and takes the output until both streams have ended.
func (p *process) copy() error {
	buf := make([]byte, readSize)
	for {
		timeout := p.untilDeadline(readTimeout)
		if !p.feed() {
			timeout = stdinTimeout
		}
		stream, n, err := p.host.ExecRead(p.handle, buf, int32(timeout.Milliseconds()))
		if err != nil {
			return noticed(err)
		}
		switch stream {
		case abi.Ended:
			return nil
		case abi.Stdout:
			p.write(&p.stdout, "output", buf[:n])
		case abi.Stderr:
			p.write(&p.stderr, "error", buf[:n])
		}
		p.obeyContext()
		runtime.Gosched()
	}
}

// write passes output on. A writer that fails gets no more, but the program is read to its end.
func (p *process) write(w *io.Writer, stream string, b []byte) {
	if *w == nil {
		return
	}
	if _, err := (*w).Write(b); err != nil {
		p.keep(fmt.Errorf("write its standard %s: %w", stream, err))
		*w = nil
	}
}

func (p *process) keep(err error) {
	if p.copyErr == nil {
		p.copyErr = err
	}
}

// feed passes input on for as long as the program takes it, and reports whether there is nothing left to feed.
func (p *process) feed() bool {
	for p.stdin != nil {
		if len(p.pending) == 0 && !p.fill() {
			break
		}
		n, err := p.host.ExecWrite(p.handle, p.pending)
		if err != nil {
			// A program need not read its input to the end: that it closed the pipe is no error.
			if err = noticed(err); !errors.Is(err, abi.IO) && !errors.Is(err, ErrCanceled) {
				p.keep(fmt.Errorf("write its standard input: %w", err))
			}
			p.stdin, p.pending = nil, nil
			break
		}
		if n == 0 {
			return false
		}
		p.pending = p.pending[n:]
	}
	return true
}

// fill reads more input, and closes the pipe where there is none.
func (p *process) fill() bool {
	if p.stdinBuf == nil {
		p.stdinBuf = make([]byte, readSize)
	}
	for {
		n, err := p.stdin.Read(p.stdinBuf)
		if n > 0 {
			// An error comes again with the next Read.
			p.pending = p.stdinBuf[:n]
			return true
		}
		if err == nil {
			runtime.Gosched()
			continue
		}
		if err != io.EOF {
			p.keep(fmt.Errorf("read its standard input: %w", err))
		}
		p.stdin = nil
		_, _ = p.host.ExecWrite(p.handle, nil)
		return false
	}
}

// obeyContext ends the program once the command's context has ended: gently, and after WaitDelay by force. If it was the
// client who canceled, the host does that.
func (p *process) obeyContext() {
	if p.killed || p.cmd.ctx.Err() == nil || p.host.Canceled() {
		return
	}
	switch {
	case p.interruptedAt.IsZero():
		p.interruptedAt = time.Now()
		_ = noticed(p.host.ExecSignal(p.handle, abi.SignalInterrupt))
	case time.Since(p.interruptedAt) >= p.cmd.waitDelay():
		p.killed = true
		_ = noticed(p.host.ExecSignal(p.handle, abi.SignalKill))
	}
}

// untilDeadline is how long it is until the context ends or the program is to be killed, at most so long.
func (p *process) untilDeadline(most time.Duration) time.Duration {
	deadline, ok := p.cmd.ctx.Deadline()
	switch {
	case p.killed, p.cmd.ctx.Err() != nil && p.host.Canceled():
		return most // the host ends it
	case !p.interruptedAt.IsZero():
		deadline = p.interruptedAt.Add(p.cmd.waitDelay())
	case !ok:
		return most
	}
	// A millisecond is the least there is; 0 would not wait.
	return min(most, max(time.Until(deadline), time.Millisecond))
}

func (c *Cmd) waitDelay() time.Duration {
	if c.WaitDelay == 0 {
		return defaultWaitDelay
	}
	return c.WaitDelay
}

func (p *process) wait() (*guestpb.ExecResult, error) {
	b, err := p.host.ExecWait(p.handle)
	if err != nil {
		return nil, noticed(err)
	}
	result := new(guestpb.ExecResult)
	if err := proto.Unmarshal(b, result); err != nil {
		return nil, fmt.Errorf("decode the host's ExecResult: %w", err)
	}
	return result, nil
}
