package daemon

import (
	"context"
	"flag"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisor/provisor/host/client"
)

var floodSessions = flag.Int("flood-sessions", 15, "how many sessions TestFlood measures alone, and how many in each flood")

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
	const waits = "on plan\n  sleep 100ms\non graph\n  sleep 100ms\n"
	quiet, flooding := dial("beta"), dial("alpha")
	// measure runs sessions one after the other, and returns the times of the one in the middle and of the one that 99 of 100 don't exceed.
	measure := func() (median, p99 time.Duration) {
		var times []time.Duration
		for range *floodSessions {
			began := time.Now()
			if err := visit(t.Context(), quiet, waits); err != nil {
				t.Fatal(err)
			}
			times = append(times, time.Since(began))
		}
		slices.Sort(times)
		return times[len(times)/2], times[(len(times)*99+99)/100-1]
	}
	aloneMedian, aloneP99 := measure()
	for name, script := range map[string]string{"waits": waits, "computes": strings.ReplaceAll(waits, "sleep", "busy")} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			var flood sync.WaitGroup
			defer flood.Wait()
			defer stop()
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
			median, p99 := measure()
			t.Logf("%d sessions; alone: median %s, p99 %s; in a flood that %s: %s, %s (%.2f and %.2f times)", *floodSessions,
				aloneMedian.Round(time.Millisecond), aloneP99.Round(time.Millisecond), name,
				median.Round(time.Millisecond), p99.Round(time.Millisecond), float64(median)/float64(aloneMedian), float64(p99)/float64(aloneP99))
			if median > 5*aloneMedian {
				t.Errorf("a flood by another tenant makes sessions take %s, %s alone", median, aloneMedian)
			}
		})
	}
}
