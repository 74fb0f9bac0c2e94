package guesttest

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
)

// process is a program that runs, fake or real.
type process struct {
	chunks chan chunk // closed when both streams have ended
	rest   chunk      // what the last read left
	stdin  *stdin

	interruptOnce, killOnce sync.Once
	interrupted, killed     chan struct{}
	// signal sends a real program an interrupt or a kill; it is nil for a fake.
	signal func(kill bool)

	result *guestpb.ExecResult // complete once ended is closed
	ended  chan struct{}
}

type chunk struct {
	stream abi.Stream
	b      []byte
}

func newProcess(withStdin bool) *process {
	return &process{
		chunks: make(chan chunk, 16), stdin: newStdin(withStdin),
		interrupted: make(chan struct{}), killed: make(chan struct{}),
		result: new(guestpb.ExecResult), ended: make(chan struct{}),
	}
}

// writer returns one of the program's outputs. A killed program can't write.
func (p *process) writer(stream abi.Stream) io.Writer {
	return writerFunc(func(b []byte) (int, error) {
		if len(b) == 0 {
			return 0, nil
		}
		select {
		case <-p.killed:
			return 0, io.ErrClosedPipe
		default:
		}
		select {
		case p.chunks <- chunk{stream, append([]byte(nil), b...)}:
			return len(b), nil
		case <-p.killed:
			return 0, io.ErrClosedPipe
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// runFake runs a fake program to its end. If it is killed it counts as ended, although a goroutine can't be stopped.
func (p *process) runFake(f func() int) {
	exit := make(chan int, 1)
	go func() {
		code := 1 // what a fake that ends its goroutine, as t.FailNow does, exits with
		defer func() { exit <- code }()
		code = f()
	}()
	select {
	case code := <-exit:
		p.end(int32(code), "")
	case <-p.killed:
		p.end(-1, "killed")
	}
}

func (p *process) startReal(path string, args, env []string, dir string) error {
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Dir = env, dir
	cmd.Stdout, cmd.Stderr = p.writer(abi.Stdout), p.writer(abi.Stderr)
	cmd.WaitDelay = 5 * time.Second // for children of the program that keep its output open
	stdinPipe, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.signal = func(kill bool) {
		if kill {
			_ = cmd.Process.Kill()
			return
		}
		_ = cmd.Process.Signal(os.Interrupt)
	}
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		_, err := io.Copy(stdinPipe, p.stdin)
		if err != nil {
			p.stdin.breakPipe()
		}
		stdinPipe.Close()
	}()
	go func() {
		err := cmd.Wait()
		p.stdin.breakPipe()
		<-fed
		code, signal := exitOf(cmd.ProcessState)
		if code == 0 && err != nil && !errors.Is(err, exec.ErrWaitDelay) {
			code = 1
		}
		p.end(code, signal)
	}()
	return nil
}

// exitOf is how a program ended, in the words of ExecResult.
func exitOf(s *os.ProcessState) (code int32, signal string) {
	const prefix = "signal: "
	if text := s.String(); !s.Exited() && len(text) > len(prefix) && text[:len(prefix)] == prefix {
		return -1, text[len(prefix):]
	}
	return int32(s.ExitCode()), ""
}

// end records the end of the program; its writers are done by then, or get an error.
func (p *process) end(code int32, signal string) {
	p.stdin.breakPipe()
	p.result.ExitCode, p.result.Signal = code, signal
	p.result.EndedAt = timestamppb.New(time.Now())
	close(p.ended)
}

// read waits for output; a negative timeout waits for ever.
func (p *process) read(buf []byte, timeout time.Duration) (abi.Stream, int) {
	if len(p.rest.b) == 0 {
		c, stream := p.next(timeout)
		if stream == abi.Ended || stream == abi.TimedOut {
			return stream, 0
		}
		p.rest = c
	}
	n := copy(buf, p.rest.b)
	p.rest.b = p.rest.b[n:]
	return p.rest.stream, n
}

func (p *process) next(timeout time.Duration) (chunk, abi.Stream) {
	var expired <-chan time.Time
	if timeout >= 0 {
		t := time.NewTimer(timeout)
		defer t.Stop()
		expired = t.C
	}
	select {
	case c := <-p.chunks:
		return c, c.stream
	default:
	}
	select {
	case c := <-p.chunks:
		return c, c.stream
	case <-p.ended:
		select {
		case c := <-p.chunks: // written just before the end
			return c, c.stream
		default:
			return chunk{}, abi.Ended
		}
	case <-expired:
		return chunk{}, abi.TimedOut
	}
}

// wait drains the output and waits for the end.
func (p *process) wait() *guestpb.ExecResult {
	for {
		select {
		case <-p.chunks:
		case <-p.ended:
			return p.result
		}
	}
}

func (p *process) interrupt() {
	p.interruptOnce.Do(func() { close(p.interrupted) })
	if p.signal != nil {
		p.signal(false)
	}
}

func (p *process) kill() {
	p.killOnce.Do(func() { close(p.killed) })
	if p.signal != nil {
		p.signal(true)
	}
}

// closeDelay is the time between interrupt and kill when a handle is closed.
const closeDelay = time.Second

func (p *process) close() {
	p.interrupt()
	t := time.AfterFunc(closeDelay, p.kill)
	defer t.Stop()
	p.wait()
}
