package daemon

import (
	"context"
	"flag"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/provisor/provisor/host/client"
)

var floodSessions = flag.Int("flood-sessions", 15, "how many sessions TestFlood measures alone, and how many in each flood")

// TestFlood has one tenant flood the daemon with sessions while another runs one after the other. The other's do not wait for the first's: it
// gets far more done than each of the clients that flood, however slow the machine is.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures")
	}
	r := start(t, "concurrency = 2\n"+twoTenants("  queue = 1000"))
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
			const clients = 40
			var flooded atomic.Int64
			for range clients {
				flood.Go(func() {
					for ctx.Err() == nil {
						if err := visit(ctx, flooding, script); err != nil && ctx.Err() == nil {
							t.Errorf("the flood: %v", err)
							return
						}
						flooded.Add(1)
					}
				})
			}
			eventually(t, "the flood is there", func() bool { return flooded.Load() > 0 })
			before := flooded.Load()
			median, p99 := measure()
			each := float64(flooded.Load()-before) / clients
			t.Logf("%d sessions, and %.1f of each that floods; alone: median %s, p99 %s; in a flood that %s: %s, %s (%.2f and %.2f times)", *floodSessions,
				each, aloneMedian.Round(time.Millisecond), aloneP99.Round(time.Millisecond), name,
				median.Round(time.Millisecond), p99.Round(time.Millisecond), float64(median)/float64(aloneMedian), float64(p99)/float64(aloneP99))
			if float64(*floodSessions) < 5*each {
				t.Errorf("in a flood by another tenant there are %d sessions in the time of %.1f by each of those", *floodSessions, each)
			}
		})
	}
}
