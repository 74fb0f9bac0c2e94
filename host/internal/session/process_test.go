package session

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
)

// fakeProcess is a program that runs until it is told to end.
type fakeProcess struct {
	// exit is how long it takes to end after an interrupt; negative = it does not.
	exit    time.Duration
	command Command
	timeout time.Duration
	started time.Time

	mu            sync.Mutex
	interruptedAt time.Time
	killedBy      string
	closed        bool
	ended         chan struct{}
	once          sync.Once
}

func (p *fakeProcess) end() { p.once.Do(func() { close(p.ended) }) }

func (p *fakeProcess) Read(ctx context.Context, _ []byte, timeout time.Duration) (abi.Stream, int, error) {
	var expired <-chan time.Time
	if timeout >= 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-p.ended:
		return abi.Ended, 0, nil
	case <-expired:
		return abi.TimedOut, 0, nil
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
}

func (p *fakeProcess) Write(b []byte) (int, error) { return len(b), nil }
func (p *fakeProcess) CloseStdin() error           { return nil }

func (p *fakeProcess) Interrupt() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.interruptedAt.IsZero() {
		return nil
	}
	p.interruptedAt = time.Now()
	if p.exit >= 0 {
		time.AfterFunc(p.exit, p.end)
	}
	return nil
}

func (p *fakeProcess) Kill(reason string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
		return nil
	default:
	}
	p.killedBy = reason
	p.end()
	return nil
}

func (p *fakeProcess) Wait(ctx context.Context) (*guestpb.ExecResult, error) {
	select {
	case <-p.ended:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return &guestpb.ExecResult{ExitCode: -1, KilledBy: p.killedBy}, nil
}

func (p *fakeProcess) Close() error {
	_ = p.Interrupt()
	timer := time.NewTimer(p.timeout)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		_ = p.Kill("close")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}

// engine is a program that starts fakeProcesses and remembers them.
type engine struct {
	exit time.Duration
	mu   sync.Mutex
	runs []*fakeProcess
}

func (e *engine) program() Program {
	return Program{
		Engine: &guestpb.Engine{Name: "terraform", Version: "1.11.4"},
		Env:    []string{"TF_VAR_*", "TF_LOG", "CODER_*"},
		Start: func(_ Directory, c Command) (Process, error) {
			p := &fakeProcess{exit: e.exit, command: c, timeout: c.ExitTimeout, started: time.Now(), ended: make(chan struct{})}
			e.mu.Lock()
			defer e.mu.Unlock()
			e.runs = append(e.runs, p)
			return p, nil
		},
	}
}

func (e *engine) last() *fakeProcess {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.runs) == 0 {
		return nil
	}
	return e.runs[len(e.runs)-1]
}

// runEngine starts the engine and reads its output up to its end.
func runEngine(ctx context.Context, h *Host) (*guestpb.ExecResult, error) {
	p, err := h.Start(&guestpb.ExecRequest{Program: "terraform", Args: []string{"plan"}})
	if err != nil {
		return nil, err
	}
	for {
		stream, _, err := p.Read(ctx, nil, -1)
		if err != nil {
			return nil, err
		}
		if stream == abi.Ended {
			return p.Wait(ctx)
		}
	}
}

// errGuest is how a guest that was ended comes back from Handle.
var errGuest = errors.New("trapped")

// contains says whether the text has all of the parts.
func contains(text string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
