package host

import (
	"testing"
	"time"

	"github.com/provisor/provisor/host/internal/sandbox"
	"github.com/provisor/provisor/proto/guestpb"
)

func TestLimits(t *testing.T) {
	got := Options{Limits: &guestpb.Limits{Files: 7, MemoryBytes: 1 << 20}, MemoryBytes: 2 << 20}.limits()
	if got.Files != 7 || got.MemoryBytes != 2<<20 || got.DiskBytes != DefaultLimits().DiskBytes {
		t.Errorf("got %v", got)
	}
}

// Every limit that plugins and operators are told of has a default, and is one that something enforces.
func TestDefaultLimits(t *testing.T) {
	limits := DefaultLimits().ProtoReflect()
	for i := range limits.Descriptor().Fields().Len() {
		if f := limits.Descriptor().Fields().Get(i); !limits.Has(f) {
			t.Errorf("%s has no default", f.Name())
		}
	}
	// The sandbox has the same defaults, for those who use it by itself.
	if got, want := sandboxLimits(DefaultLimits()), sandbox.DefaultLimits(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for timeout, want := range map[time.Duration]uint64{0: millis(6 * time.Hour), -1: 0, time.Second: 1000} {
		if got := (Options{RequestTimeout: timeout}).limits().RequestMillis; got != want {
			t.Errorf("a timeout of %v: got %d, want %d", timeout, got, want)
		}
	}
}
