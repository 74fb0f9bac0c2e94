package exec

import (
	"context"
	"errors"
	"fmt"
	osexec "os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
)

// strayGrace is how long what a program leaves in its group may still write after the program itself has exited. Then
// the group is killed.
const strayGrace = time.Second

// Reasons of Kill that this package gives itself.
const (
	killedByLimit = "limit"
	killedByClose = "close"
)

// Process is a program that runs or has run. Its methods may be called by several goroutines at once.
type Process struct {
	program Program
	cmd     *osexec.Cmd
	tree    tree

	stdin   *input // nil without Program.Stdin
	outputs [2]*output
	reading chan struct{} // holds one token: who has it may take from outputs
	written atomic.Int64  // bytes of both outputs
	limited atomic.Bool   // OutputLimit was passed

	started time.Time
	exited  atomic.Bool // a kill comes too late to be the reason
	// interrupted: it was asked to end. Engines that are asked twice end at once, and do not write their state.
	interrupted atomic.Bool
	killedBy    atomic.Pointer[string]
	// done is closed once the program and its group are gone; what follows is final then.
	done   chan struct{}
	result *guestpb.ExecResult
	strays error

	streams sync.WaitGroup // the goroutines that copy the streams
}

// Start starts the program. The caller must call Close in the end.
func Start(p Program) (*Process, error) {
	cmd, err := p.command()
	if err != nil {
		return nil, err
	}
	pr := &Process{
		program: p,
		cmd:     cmd,
		reading: make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	pr.reading <- struct{}{}
	started := make(chan error)
	go pr.supervise(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run %s: %w", p.Path, withErrno(err))
	}
	return pr, nil
}

// supervise starts the program, waits for its end and clears up after it.
func (p *Process) supervise(started chan<- error) {
	if p.program.Jail == nil {
		// A child that dies with its parent (Linux) dies with the parent's *thread*, and Go ends threads as it sees fit.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	if err := p.launch(); err != nil {
		started <- err
		return
	}
	started <- nil
	defer close(p.done)

	end := func(bool) error { return nil }
	if w := p.program.Watch; w != nil {
		end = w.Begin(p.tree.processes, func() { _ = p.Kill(killedByLimit) })
	}
	p.tree.awaitExit()
	p.exited.Store(true)
	ended := time.Now()
	for _, o := range p.outputs {
		o.hurry()
	}
	p.awaitStreams(strayGrace)
	result, killed := p.tree.finish()
	p.result = p.summary(result, killed, ended)
	for _, err := range []error{p.tree.limit(), end(result.GetExitCode() != 0)} {
		if err != nil && p.program.LimitHit != nil {
			p.program.LimitHit(err)
		}
	}
	p.strays = p.tree.awaitGone()
	for _, o := range p.outputs {
		o.finish()
	}
	if p.stdin != nil {
		p.stdin.abandon()
	}
}

// launch starts the program with its streams connected.
func (p *Process) launch() error {
	var ends pipeEnds
	defer ends.closeChild()
	if err := ends.open(p.cmd, p.program.Stdin); err != nil {
		ends.closeParent()
		return err
	}
	p.started = time.Now()
	var err error
	if p.tree, err = p.program.start(p.cmd, &ends); err != nil {
		ends.closeParent()
		return err
	}
	for i, s := range []abi.Stream{abi.Stdout, abi.Stderr} {
		p.outputs[i] = newOutput(s, ends.outputs[i])
		p.streams.Go(func() { p.outputs[i].copy(p.admit) })
	}
	if ends.input != nil {
		p.stdin = newInput(ends.input)
		p.streams.Go(p.stdin.copy)
	}
	return nil
}

// admit says how many of n bytes of output are within the limit. The first that are not end the program.
func (p *Process) admit(n int) int {
	limit := p.program.OutputLimit
	total := p.written.Add(int64(n))
	if limit <= 0 || total <= limit {
		return n
	}
	p.limited.Store(true)
	_ = p.Kill(killedByLimit)
	return int(max(0, int64(n)-(total-limit)))
}

// awaitStreams waits until both outputs have ended, for at most grace.
func (p *Process) awaitStreams(grace time.Duration) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	for _, o := range p.outputs {
		select {
		case <-o.ended:
		case <-timer.C:
			return
		}
	}
}

// summary completes the result of a program that has ended; killed says that it did not end by itself.
func (p *Process) summary(r *guestpb.ExecResult, killed bool, ended time.Time) *guestpb.ExecResult {
	r.StartedAt = timestamppb.New(p.started)
	r.EndedAt = timestamppb.New(ended)
	if reason := p.killedBy.Load(); reason != nil && killed {
		r.KilledBy = *reason
	}
	return r
}

// Wait throws away the output that nobody has read, waits until the program and its process group are gone, and returns
// how it ended. It may be called again.
func (p *Process) Wait(ctx context.Context) (*guestpb.ExecResult, error) {
	buf := make([]byte, chunkSize)
	for {
		s, _, err := p.Read(ctx, buf, -1)
		if ctx.Err() != nil {
			return nil, p.canceled(ctx)
		}
		if err != nil || s == abi.Ended {
			break
		}
	}
	select {
	case <-p.done:
		return proto.Clone(p.result).(*guestpb.ExecResult), nil
	case <-ctx.Done():
		return nil, p.canceled(ctx)
	}
}

// Done is closed once the program and its process group are gone.
func (p *Process) Done() <-chan struct{} { return p.done }

// Interrupt asks the program to end. Only the program's own process is told: an engine stops its providers itself.
// On Windows the console's break event goes to the whole group. A program that has ended is left alone.
func (p *Process) Interrupt() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	p.interrupted.Store(true)
	if err := p.tree.interrupt(); err != nil {
		return fmt.Errorf("interrupt %s: %w: %w", p.program.Path, err, abi.IO)
	}
	return nil
}

// Kill ends the program and its whole process group at once. The first reason given becomes the result's killed_by,
// unless the program had ended before.
func (p *Process) Kill(reason string) error {
	if !p.exited.Load() {
		p.killedBy.CompareAndSwap(nil, &reason)
	}
	if err := p.tree.kill(); err != nil {
		return fmt.Errorf("kill %s: %w: %w", p.program.Path, err, abi.IO)
	}
	return nil
}

// Close interrupts the program unless it was before, kills it with its process group once ExitTimeout has passed, and returns when all of
// them are gone. Output that nobody has read is lost. It may be called again; the error names processes that did not go.
func (p *Process) Close() error {
	for _, o := range p.outputs {
		o.discard() // a program that is blocked on a full pipe would not hear the interrupt
	}
	if !p.interrupted.Load() {
		_ = p.Interrupt()
	}
	timer := time.NewTimer(p.program.ExitTimeout)
	defer timer.Stop()
	var killErr error
	select {
	case <-p.done:
	case <-timer.C:
		killErr = p.Kill(killedByClose)
	}
	<-p.done
	p.streams.Wait()
	return errors.Join(killErr, p.strays)
}

func (p *Process) canceled(ctx context.Context) error {
	return fmt.Errorf("wait for %s: %w: %w", p.program.Path, context.Cause(ctx), abi.Canceled)
}
