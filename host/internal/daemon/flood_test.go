package daemon

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/provisor/provisor/host/client"
)

// TestFlood has one tenant flood the daemon with sessions while another runs one after the other. The other's do not wait for the first's:
// the bound is generous, since the machine itself is shared.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures")
	}
	r := start(t, twoTenants("  queue = 1000"))
	dial := func(token string) *client.Client {
		c, err := client.Dial(r.Addresses()[0], client.Options{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	const script = "on plan\n  sleep 100ms\non graph\n  sleep 100ms\n"
	quiet := dial("beta")
	// measure runs sessions one after the other, and returns the median and the longest of their times.
	measure := func() (median, longest time.Duration) {
		var times []time.Duration
		for range 15 {
			began := time.Now()
			if err := visit(t.Context(), quiet, script); err != nil {
				t.Fatal(err)
			}
			times = append(times, time.Since(began))
		}
		slices.Sort(times)
		return times[len(times)/2], times[len(times)-1]
	}
	aloneMedian, alone := measure()
	ctx, stop := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	flooding := dial("alpha")
	for range 40 {
		flood.Go(func() {
			for ctx.Err() == nil {
				if err := visit(ctx, flooding, script); err != nil && ctx.Err() == nil {
					t.Errorf("the flood: %v", err)
					return
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	median, longest := measure()
	stop()
	flood.Wait()
	t.Logf("alone: median %s, longest %s; in the flood: %s, %s (%.2f and %.2f times)", aloneMedian.Round(time.Millisecond), alone.Round(time.Millisecond),
		median.Round(time.Millisecond), longest.Round(time.Millisecond), float64(median)/float64(aloneMedian), float64(longest)/float64(alone))
	if median > 5*aloneMedian {
		t.Errorf("a flood by another tenant makes sessions take %s, %s alone", median, aloneMedian)
	}
}
