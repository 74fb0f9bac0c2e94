package guest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/provisor/provisor/sdk-guest/internal/hostcall"
)

// ErrCanceled is the cause (context.Cause) of a canceled request, and what errors of canceled host calls wrap.
// errors.Is(err, context.Canceled) holds for it as well.
var ErrCanceled = hostcall.ErrCanceled

// pollInterval is how long a goroutine that waits on Done may take to learn of a cancel. A poll costs a microsecond.
const pollInterval = 20 * time.Millisecond

// requestContext is a request's context. The host has no way to call the plugin about a cancel, so it asks the host:
// whenever someone looks, and from the first Done on also from time to time. It has a context of the standard library
// within, and gives away that one's channel, so that contexts derived from it need no goroutines.
type requestContext struct {
	context.Context
	host     hostcall.Host
	cancel   context.CancelCauseFunc
	watch    sync.Once
	watching sync.WaitGroup
}

// current is the context of the request in progress.
var current atomic.Pointer[requestContext]

// begin starts a request; end must be called when it is over. Requests nest only in tests.
func begin() (ctx *requestContext, end func()) {
	inner, cancel := context.WithCancelCause(context.Background())
	ctx = &requestContext{Context: inner, host: hostcall.Current(), cancel: cancel}
	previous := current.Swap(ctx)
	return ctx, func() {
		cancel(nil)
		ctx.watching.Wait()
		current.Store(previous)
	}
}

// Err asks the host whether the request is canceled.
func (c *requestContext) Err() error {
	c.poll()
	return c.Context.Err()
}

// Done asks the host, and from now on every pollInterval.
func (c *requestContext) Done() <-chan struct{} {
	c.poll()
	c.watch.Do(func() {
		if c.Context.Err() != nil {
			return
		}
		c.watching.Add(1)
		go func() {
			defer c.watching.Done()
			c.pollUntilDone()
		}()
	})
	return c.Context.Done()
}

func (c *requestContext) poll() {
	if c.Context.Err() == nil && c.host.Canceled() {
		c.cancel(ErrCanceled)
	}
}

func (c *requestContext) pollUntilDone() {
	t := time.NewTicker(pollInterval)
	defer t.Stop()
	for {
		select {
		case <-c.Context.Done():
			return
		case <-t.C:
			c.poll()
		}
	}
}

// noticed passes a host function's error through, and cancels the request's context if it tells of a cancel.
func noticed(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*hostcall.Error); ok && e.Unwrap() == ErrCanceled {
		if c := current.Load(); c != nil {
			c.cancel(ErrCanceled)
		}
	}
	return err
}
