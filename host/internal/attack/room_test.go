package attack

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/server"
)

// TestLoopsLeaveRoom has all the endless plugins run at the same time. While they do, honest sessions are answered and the garbage collector
// comes to its end, for which it stops everything; soon after their deadline, they are over.
func TestLoopsLeaveRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	if runtime.GOOS == "windows" {
		t.Skip("the programs of the honest session are shell scripts")
	}
	const deadline = 5 * time.Second
	honest := newArena(t).honest
	var daemons []*daemon
	for _, p := range endlessPlugins() {
		d, err := load(t, host.Options{RequestTimeout: deadline, GracePeriod: briefly}, server.Options{}, p.build())
		if err != nil {
			t.Fatal(err)
		}
		daemons = append(daemons, d)
	}
	began := time.Now()
	over := make(chan struct{})
	var besides sync.WaitGroup
	// beside does something over and over, and says how often that was from its beginning to its end while all the plugins ran.
	beside := func(what string, do func() error) {
		besides.Go(func() {
			meanwhile, longest := 0, time.Duration(0)
			for {
				from := time.Now()
				if err := do(); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				to := time.Now()
				longest = max(longest, to.Sub(from))
				if from.After(began.Add(time.Second)) && to.Before(began.Add(deadline)) {
					meanwhile++
				}
				select {
				case <-over:
					t.Logf("%d %s while the plugins ran, the longest took %v", meanwhile, what, longest)
					if meanwhile == 0 {
						t.Errorf("no %s while the plugins ran", what)
					}
					return
				default:
				}
			}
		})
	}
	beside("honest sessions", func() error {
		got, err := honest.session(t.Context())
		if err == nil && got != honest.alone {
			t.Errorf("got\n%s\nalone it was\n%s", got, honest.alone)
		}
		return err
	})
	beside("garbage collections", func() error {
		runtime.GC()
		return nil
	})
	t.Run("plugins", func(t *testing.T) {
		for i, p := range endlessPlugins() {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				got := daemons[i].init(t, initOf(nil))
				if !strings.Contains(got.text, "ran longer than 5s (setting request_timeout)") {
					t.Errorf("the Complete says %q", got.text)
				}
				t.Logf("%s: answered %v after the deadline", p.name, got.took-deadline)
				if got.took < deadline || got.took > deadline+late {
					t.Errorf("it took %v, and may take %v", got.took, deadline)
				}
			})
		}
	})
	close(over)
	besides.Wait()
}
