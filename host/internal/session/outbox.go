package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// outbox sends Responses in order, from a goroutine of its own: a client that does not read can hold up that goroutine, and
// nothing else. The goroutine starts with the first Response, so that an idle stream costs nothing.
type outbox struct {
	stream Stream
	// patience is how long the client may take to read a message of up to 1 MiB, and each MiB more of a larger one.
	patience time.Duration
	queue    chan outgoing
	// failed is closed when nothing can be sent any more; err says why from then on.
	failed chan struct{}
	err    error

	// sentBytes is how many bytes were given to the stream.
	sentBytes   atomic.Int64
	start, fail sync.Once
	ended       chan struct{}
}

// rushTime is how long a client may still take to read once the session was killed.
const rushTime = time.Second

// outgoing is a Response to send. sent, if not nil, is told when that is over: when the sending of the latest Response began.
type outgoing struct {
	b    []byte
	sent chan time.Time
}

// errUnsent: the client is gone, and the message was dropped. Why is in outbox.err.
var errUnsent = errors.New("the stream is broken")

// queued is how many messages may wait for the client to read.
const queued = 16

func newOutbox(s Stream, patience time.Duration) *outbox {
	return &outbox{
		stream:   s,
		patience: patience,
		queue:    make(chan outgoing, queued),
		failed:   make(chan struct{}),
		ended:    make(chan struct{}),
	}
}

// put queues a Response; it waits while the queue is full. The bytes belong to the outbox from then on.
func (o *outbox) put(ctx context.Context, b []byte) error { return o.enqueue(ctx, outgoing{b: b}) }

// flush returns when all that was put before has been given to the stream, and when the last of it began to be.
func (o *outbox) flush() (began time.Time, err error) {
	sent := make(chan time.Time, 1)
	if err := o.enqueue(context.Background(), outgoing{sent: sent}); err != nil {
		return began, err
	}
	select {
	case began = <-sent:
	case <-o.failed:
	}
	if o.broken() {
		return began, errUnsent
	}
	return began, nil
}

// hurry gives the client little time for what is still to be sent. It waits for that.
func (o *outbox) hurry() {
	rush := time.NewTimer(rushTime)
	defer rush.Stop()
	select {
	case <-rush.C:
		o.breakOff(ErrKill)
	case <-o.ended:
	case <-o.failed:
	}
}

// close ends the sending. Where the client does not read, the goroutine outlives it up to the end of the stream.
func (o *outbox) close() {
	// Nothing was ever sent: there is no goroutine to end.
	o.start.Do(func() { close(o.ended) })
	close(o.queue)
	select {
	case <-o.ended:
	case <-o.failed:
	}
}

func (o *outbox) broken() bool {
	select {
	case <-o.failed:
		return true
	default:
		return false
	}
}

func (o *outbox) enqueue(ctx context.Context, m outgoing) error {
	o.start.Do(func() { go o.send() })
	if o.broken() {
		return errUnsent
	}
	select {
	case o.queue <- m:
		return nil
	case <-o.failed:
		return errUnsent
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (o *outbox) send() {
	defer close(o.ended)
	var began time.Time
	for m := range o.queue {
		if m.b != nil && !o.broken() {
			began = time.Now()
			o.sendOne(m.b)
		}
		if m.sent != nil {
			m.sent <- began
		}
	}
}

func (o *outbox) sendOne(b []byte) {
	patience := o.patience * time.Duration(1+len(b)>>20)
	stalled := time.AfterFunc(patience, func() {
		o.breakOff(violation(ResourceExhausted, ruleKeepReading,
			"the client has not read a message of %d bytes for %s (setting %s)", len(b), patience, settingSendTimeout))
	})
	defer stalled.Stop()
	o.sentBytes.Add(int64(len(b)))
	if err := o.stream.Send(b); err != nil {
		o.breakOff(fmt.Errorf("send a response of %d bytes to the client: %w", len(b), err))
	}
}

func (o *outbox) breakOff(err error) {
	o.fail.Do(func() {
		o.err = err
		close(o.failed)
	})
}
