package attack

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/server"
)

// TestLoopsLeaveRoom has all the endless plugins run at the same time. While they do, honest sessions are answered and the garbage collector
// comes to its end, for which it stops everything; soon after they are canceled, they are over.
func TestLoopsLeaveRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	if runtime.GOOS == "windows" {
		t.Skip("the programs of the honest session are shell scripts")
	}
	honest := newArena(t).honest
	var daemons []*daemon
	for _, p := range endlessPlugins() {
		d, err := load(t, host.Options{GracePeriod: briefly}, server.Options{}, p.build())
		if err != nil {
			t.Fatal(err)
		}
		daemons = append(daemons, d)
	}
	var sessions []*client.Session
	for _, d := range daemons {
		s, err := d.open(inTime(t))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Send(initOf(nil)); err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	time.Sleep(time.Second) // in which they begin
	var besides sync.WaitGroup
	over := make(chan struct{})
	// beside does something over and over, and counts how often that was.
	beside := func(what string, do func() error) *atomic.Int32 {
		times := new(atomic.Int32)
		besides.Go(func() {
			for began := time.Now(); ; times.Add(1) {
				select {
				case <-over:
					t.Logf("%d %s while the plugins ran, in %v", times.Load(), what, time.Since(began).Round(time.Millisecond))
					return
				default:
				}
				if err := do(); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
		return times
	}
	answered := beside("honest sessions", func() error {
		got, err := honest.session(t.Context())
		if err == nil && got != honest.alone {
			t.Errorf("got\n%s\nalone it was\n%s", got, honest.alone)
		}
		return err
	})
	collected := beside("garbage collections", func() error {
		runtime.GC()
		return nil
	})
	if !daemontest.Soon(func() bool { return answered.Load() > 0 && collected.Load() > 0 }) {
		t.Errorf("%d honest sessions and %d garbage collections while the plugins ran", answered.Load(), collected.Load())
	}
	canceled := time.Now()
	for _, s := range sessions {
		if err := s.Cancel(); err != nil {
			t.Error(err)
		}
	}
	for i, s := range sessions {
		name := endlessPlugins()[i].name
		resp, err := s.Recv()
		if text := client.ErrorOf(resp); err != nil || !strings.Contains(text, "did not answer within 300ms of the end of its programs (setting grace_period)") {
			t.Errorf("%s: the Complete says %q, %v", name, text, err)
		}
		if took := time.Since(canceled); took > briefly+late {
			t.Errorf("%s: it took %v, and may take %v", name, took, briefly)
		}
	}
	t.Logf("all were over %v after the cancel", time.Since(canceled).Round(time.Millisecond))
	close(over)
	besides.Wait()
}
