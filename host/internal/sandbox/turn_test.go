package sandbox

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

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

// A guest that computes holds up neither the collector, which it sees at each yield, nor for long others on the same processor. Other
// processes may hold up all of them, so one of many attempts is enough.
func TestOthersRunBesideAGuest(t *testing.T) {
	p := wasmtest.NewPlugin()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	collections := 0
	for attempt := 0; attempt < 20 && collections < 6; attempt++ { // it is 2 where a guest never gives way, and some 40 where it does
		i := newInstance(t, newRuntime(t, Options{}), p.Handled(wasmtest.Loop(wasmtest.Br(0)), wasmtest.I32Const(0)), &fakeHost{})
		collections = collectionsBeside(t, i)
		if i.meter.used == 0 {
			t.Fatal("the guest did not compute")
		}
	}
	if collections < 6 {
		t.Errorf("%d collections in half a second", collections)
	}
}

// collectionsBeside is how often garbage is collected in half a second in which a guest computes.
func collectionsBeside(t *testing.T, i *Instance) (collections int) {
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = i.Handle(ctx, []byte("x"))
	}()
	for ; ctx.Err() == nil; collections++ {
		runtime.GC() // stops all twice, and waits for goroutines of its own
	}
	<-ended
	return collections
}
