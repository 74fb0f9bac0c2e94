package sandbox

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/wasmtest"
)

// A guest that computes for long waits for its turn, at no cost and no longer than its request lasts. Its own turn ends with the call, be
// it in a loop or in a function of the host.
func TestTurns(t *testing.T) {
	r := newRuntime(t, Options{})
	spin := func(body ...[]byte) {
		t.Helper()
		p := wasmtest.NewPlugin()
		if body == nil {
			body = append(body, p.Host("canceled"), wasmtest.Drop)
		}
		i := newInstance(t, r, p.Handled(wasmtest.Loop(append(body, wasmtest.Br(0))...), wasmtest.I32Const(0)), &fakeHost{})
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := i.Handle(ctx, []byte("x"))
		var f *Failure
		if !errors.As(err, &f) || f.Kind != Deadline {
			t.Fatalf("got %v", err)
		}
		if i.turn.had {
			t.Error("it kept its turn")
		}
		if len(turns) == cap(turns) && i.meter.used > 300*time.Millisecond {
			t.Errorf("without a turn it computed for %v", i.meter.used)
		}
	}
	spin([]byte{})
	spin()
	if len(turns) != 0 {
		t.Fatalf("%d turns are not given back", len(turns))
	}
	for range cap(turns) {
		turns <- struct{}{}
	}
	spin([]byte{})
	for range cap(turns) {
		<-turns
	}
}

// A guest that computes holds up neither the collector nor anybody else on the same processor: what ends it needs both. If it did not
// give way, this would never end.
func TestOthersRunBesideAGuest(t *testing.T) {
	p := wasmtest.NewPlugin()
	module := p.Handled(p.Host(abi.FuncCanceled), wasmtest.Drop, wasmtest.Loop(wasmtest.Br(0)), wasmtest.I32Const(0))
	ctx, cancel := context.WithCancel(t.Context())
	i := newInstance(t, newRuntime(t, Options{}), module, &askedHost{asked: func() {
		go func() {
			for range 3 {
				runtime.GC() // stops all twice, and waits for goroutines of its own
			}
			cancel()
		}()
	}})
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	_, err := i.Handle(ctx, []byte("x"))
	var f *Failure
	if !errors.As(err, &f) || f.Kind != Canceled || i.meter.used == 0 {
		t.Errorf("got %v", err)
	}
}

// askedHost calls a function when it is asked whether the request was canceled.
type askedHost struct {
	fakeHost
	asked func()
}

func (h *askedHost) Canceled() bool {
	h.asked()
	return false
}

// A guest gives way by itself once a slice is over: Go's scheduler alone would take the processor from it after 10 ms.
func TestGuestsGiveWay(t *testing.T) {
	p := wasmtest.NewPlugin()
	i := newInstance(t, newRuntime(t, Options{}), p.Handled(p.Respond("x")), &fakeHost{})
	i.meter.limit = time.Minute
	ctx := i.guestContext(t.Context())
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var ran atomic.Bool
	go ran.Store(true)
	for n := 0; n < 1000 && !ran.Load(); n++ { // the scheduler may choose the same goroutine again now and then
		i.gaveWay = time.Now().Add(-slice)
		yield(ctx, make([]uint64, 1))
	}
	if !ran.Load() {
		t.Error("nobody else has run")
	}
}
