package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
)

// TestManySessions opens 200 sessions, 20 at a time, that end in every way at a moment that chance picks, and looks for what is left.
func TestManySessions(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	d := startDaemon(t, host.Options{Concurrency: 20})
	const sessions, atOnce = 200, 20
	rng := rand.New(rand.NewPCG(1, 2))
	slots := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	var counts [ways]atomic.Int64
	for i := range sessions {
		way, after := way(i)%ways, time.Duration(rng.IntN(300))*time.Millisecond
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			if err := endAs(t.Context(), d, way, after); err != nil {
				t.Errorf("session %d, %s after %s: %v", i, way, after, err)
			}
			counts[way].Add(1)
		})
	}
	running.Wait()
	for w := range ways {
		t.Logf("%d sessions: %s", counts[w].Load(), w)
	}
	if !d.seen.Load() {
		t.Error("no engine was ever seen: this test would not notice one that is left")
	}
	// A client that has hung up does not see the end of its session.
	if !daemontest.Soon(func() bool { return len(daemontest.Left(d.data)) == 0 }) {
		t.Errorf("left behind: %q", daemontest.Left(d.data))
	}
	d.stop()
	if runtime.GOOS == "linux" && !daemontest.Soon(func() bool { return len(sockets(t)) == 0 }) {
		t.Errorf("sockets are left: %v", sockets(t))
	}
}

// sockets are the descriptors of this process that are sockets.
func sockets(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && len(to) > 7 && to[:7] == "socket:" {
			found = append(found, to)
		}
	}
	return found
}

// way is how a session ends.
type way int

const (
	wellDone way = iota
	canceled
	hungUp
	halfClosed
	violated
	ways
)

func (w way) String() string {
	return [...]string{"done", "canceled", "hung up", "half-closed while running", "a request while another ran"}[w]
}

// endAs plays a session that ends that way, some time after its plan has begun.
func endAs(ctx context.Context, d *daemon, w way, after time.Duration) error {
	script := "on plan\nrun terraform work\non parse\nlog info hello\n"
	s, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if resp, err := s.Do(ctx, initWith(script), nil); err != nil || client.ErrorOf(resp) != "" {
		return fmt.Errorf("init: %v, %w", resp, err)
	}
	if w == wellDone {
		if resp, err := s.Do(ctx, parse, nil); err != nil || client.ErrorOf(resp) != "" {
			return fmt.Errorf("parse: %v, %w", resp, err)
		}
		return cleanEnd(s)
	}
	if err := s.Send(plan); err != nil {
		return err
	}
	stop := time.AfterFunc(after, func() {
		switch w {
		case canceled:
			_ = s.Cancel()
		case hungUp:
			s.Close()
		case halfClosed:
			_ = s.CloseSend()
		case violated:
			_ = s.Send(graph)
		}
	})
	defer stop.Stop()
	resp, err := s.Recv()
	for ; err == nil && resp.GetLog() != nil; resp, err = s.Recv() {
		if len(daemontest.ProcessesOf(d.data)) > 0 {
			d.seen.Store(true)
		}
	}
	switch {
	case w == hungUp || w == violated:
		want := map[way]codes.Code{hungUp: codes.Canceled, violated: codes.FailedPrecondition}[w]
		var g interface{ GRPCStatus() *status.Status }
		if !errors.As(err, &g) || g.GRPCStatus().Code() != want {
			return fmt.Errorf("plan: %v, %w; want %s", resp, err, want)
		}
		return nil
	case err != nil:
		return err
	case client.ErrorOf(resp) == "":
		return errors.New("the canceled plan has no error")
	}
	if w == canceled {
		return cleanEnd(s)
	}
	_, err = s.Recv()
	if err == io.EOF {
		err = nil
	}
	return err
}

func cleanEnd(s *client.Session) error {
	if err := s.CloseSend(); err != nil {
		return err
	}
	if resp, err := s.Recv(); err != io.EOF {
		return fmt.Errorf("the stream ended with %v, %w", resp, err)
	}
	return nil
}
