package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Stream is a stream seen from the session that serves it.
type Stream interface {
	// Recv returns the next serialized Request; io.EOF is the client's half-close.
	Recv() ([]byte, error)
	// Send sends a serialized Response.
	Send([]byte) error
}

// errHungUp is what the session sees after the client's Close.
var errHungUp = errors.New("the client hung up")

// InProcess runs a session in a goroutine of its own and returns the client's side of its stream. The session has ended when Recv
// returns an error (io.EOF where run returned nil, else what it returned) or Close returns.
func InProcess(ctx context.Context, run func(context.Context, Stream) error) *Local {
	l := &Local{
		requests:  make(chan []byte),
		responses: make(chan []byte),
		half:      make(chan struct{}),
		gone:      make(chan struct{}),
		ended:     make(chan struct{}),
	}
	ctx, cancel := context.WithCancelCause(ctx)
	l.cancel = cancel
	go func() {
		defer close(l.ended)
		defer cancel(nil)
		l.err = run(ctx, hostSide{l})
	}()
	return l
}

// Local is a Conn within one process. Nothing is buffered: a session waits for a client that does not read.
type Local struct {
	requests, responses chan []byte
	// half is closed by CloseSend, gone by Close, ended when the session has ended; err is valid from then on.
	half, gone, ended chan struct{}
	halfOnce, goOnce  sync.Once
	err               error
	cancel            context.CancelCauseFunc
}

// Send implements Conn.
func (l *Local) Send(b []byte) error {
	if closed(l.half) {
		return errors.New("send after CloseSend")
	}
	select {
	case l.requests <- b:
		return nil
	case <-l.ended:
		return fmt.Errorf("the session has ended: %w", io.EOF)
	}
}

// Recv implements Conn.
func (l *Local) Recv() ([]byte, error) {
	select {
	case b := <-l.responses:
		return b, nil
	case <-l.ended:
		if l.err != nil {
			return nil, l.err
		}
		return nil, io.EOF
	}
}

// CloseSend implements Conn.
func (l *Local) CloseSend() error {
	l.halfOnce.Do(func() { close(l.half) })
	return nil
}

// Close hangs up and waits for the session to end; what it still sends is dropped. It returns the session's error, if the session had
// ended by itself.
func (l *Local) Close() error {
	if closed(l.ended) {
		return l.err
	}
	l.goOnce.Do(func() {
		close(l.gone)
		l.cancel(errHungUp)
	})
	<-l.ended
	return nil
}

// hostSide is the session's side of a Local.
type hostSide struct{ l *Local }

func (h hostSide) Recv() ([]byte, error) {
	select {
	case b := <-h.l.requests:
		return b, nil
	case <-h.l.half:
		return nil, io.EOF
	case <-h.l.gone:
		return nil, errHungUp
	case <-h.l.ended:
		return nil, errHungUp
	}
}

func (h hostSide) Send(b []byte) error {
	select {
	case h.l.responses <- b:
		return nil
	case <-h.l.gone:
		return errHungUp
	case <-h.l.ended:
		return errHungUp
	}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
