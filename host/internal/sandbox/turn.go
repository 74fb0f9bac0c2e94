package sandbox

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// moment is for how long a guest may compute for one request before it has to take turns.
	moment = 20 * time.Millisecond
	// patience is how long a guest can stay in functions of the host, or go on without a yield, before others want its turn.
	patience = 5 * time.Millisecond
)

// turns are for guests that compute for longer. They take turns on all processors but one: a message from the network is noticed by a
// processor that has nothing else to run, and if there is none only every 10 ms, which every session would feel at each of its messages.
var (
	turns = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))
	// turnsHad are those that are not free: *turn.
	turnsHad sync.Map
)

// turn is an instance's. Others look at hostSince alone.
type turn struct {
	had   bool
	since time.Time
	// hostSince is when the guest called a function of the host that it is still in, in nanoseconds; or inGuest, or taken.
	hostSince atomic.Int64
}

const (
	inGuest = -iota - 1
	// taken says that another has the turn now.
	taken
)

// take waits for a turn. At the end of ctx there is none.
func (t *turn) take(ctx context.Context) {
	select {
	case turns <- struct{}{}:
	default:
		if !awaitTurn(ctx) {
			return
		}
	}
	t.had, t.since = true, time.Now()
	t.hostSince.Store(inGuest)
	turnsHad.Store(t, nil)
}

func awaitTurn(ctx context.Context) bool {
	look := time.NewTicker(patience)
	defer look.Stop()
	for {
		select {
		case turns <- struct{}{}:
			return true
		case <-ctx.Done():
			return false
		case <-look.C:
			if takeFromWaiting() {
				return true
			}
		}
	}
}

// takeFromWaiting takes the turn of a guest that does not need it: it is in a function of the host, and may stay there for an hour.
func takeFromWaiting() (got bool) {
	long := time.Now().Add(-patience).UnixNano()
	turnsHad.Range(func(key, _ any) bool {
		t := key.(*turn)
		since := t.hostSince.Load()
		got = since >= 0 && since < long && t.hostSince.CompareAndSwap(since, taken)
		return !got
	})
	return got
}

// leave gives the turn to another, if there is one.
func (t *turn) leave() {
	if !t.had {
		return
	}
	t.had = false
	turnsHad.Delete(t)
	if t.hostSince.Swap(inGuest) != taken {
		<-turns
	}
}

// enterHost says that the guest is about to be in a function of the host.
func (t *turn) enterHost() {
	if t.had {
		t.hostSince.Store(time.Now().UnixNano())
	}
}

// leaveHost says that it goes on. If its turn has been taken, it does so without one until it yields.
func (t *turn) leaveHost() {
	if t.had && t.hostSince.Swap(inGuest) == taken {
		t.had = false
		turnsHad.Delete(t)
	}
}
