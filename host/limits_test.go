package host

import (
	"testing"

	"github.com/provisor/provisor/proto/guestpb"
)

func TestLimits(t *testing.T) {
	got := Options{Limits: &guestpb.Limits{Files: 7, MemoryBytes: 1 << 20}, MemoryBytes: 2 << 20}.limits()
	if got.Files != 7 || got.MemoryBytes != 2<<20 || got.DiskBytes != DefaultLimits().DiskBytes {
		t.Errorf("got %v", got)
	}
}
