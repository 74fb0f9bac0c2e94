package sandbox

import (
	"context"
	"errors"
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
