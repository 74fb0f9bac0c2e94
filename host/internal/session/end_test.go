package session

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestEndOfContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{exit: time.Second}
		ctx, cancel := context.WithCancelCause(t.Context())
		s := engineFixture(t, e).openContext(ctx, t)
		if err := s.Configure(&pb.Config{}); err != nil {
			t.Fatal(err)
		}
		succeedAll(t, s, initRequest())
		done := begin(t.Context(), s, planRequest())
		shutdown := errors.New("shutting down")
		cancel(shutdown)
		if o := <-done; o.err != nil || !contains(client.ErrorOf(o.resp), "canceled") {
			t.Errorf("got %v, %v, want the Complete first", o.resp, o.err)
		}
		if _, err := s.Recv(); !errors.Is(err, shutdown) {
			t.Errorf("the stream ended with %v, want the cause", err)
		}
	})
}

func TestEndOfContextWhileIdle(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newFixture(t, succeed).openContext(ctx, t)
	cancel()
	if _, err := s.Recv(); !errors.Is(err, context.Canceled) {
		t.Errorf("the stream ended with %v", err)
	}
}

func TestKill(t *testing.T) {
	for _, tt := range []struct {
		name string
		kill func(end context.CancelCauseFunc, kill func())
	}{
		{"by the context", func(end context.CancelCauseFunc, _ func()) { end(ErrKill) }},
		{"by the other context", func(_ context.CancelCauseFunc, kill func()) { kill() }},
		{"after the context", func(end context.CancelCauseFunc, kill func()) {
			end(errors.New("shutting down"))
			synctest.Wait()
			kill()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testKill(t, tt.kill) })
		})
	}
}

func testKill(t *testing.T, kill func(context.CancelCauseFunc, func())) {
	e := &engine{exit: time.Hour}
	f := newFixture(t, func(ctx context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
		if _, err := runEngine(ctx, h); err != nil {
			return nil, err
		}
		<-ctx.Done()
		return nil, errGuest
	})
	f.options.Programs = map[string]Program{"terraform": e.program()}
	var killAll context.CancelFunc
	f.options.Kill, killAll = context.WithCancel(context.Background())
	ctx, cancel := context.WithCancelCause(t.Context())
	s := f.openContext(ctx, t)
	if err := s.Configure(&pb.Config{}); err != nil {
		t.Fatal(err)
	}
	done := begin(t.Context(), s, initRequest())
	kill(cancel, killAll)
	if o := <-done; o.took != 0 || !contains(client.ErrorOf(o.resp), "killed") {
		t.Errorf("after %s: %v, %v, want an end at once", o.took, o.resp, o.err)
	}
	if p := e.last(); p.killedBy != "cancel" {
		t.Errorf("the engine was not killed: %+v", p)
	}
}

func TestKillWhileIdle(t *testing.T) {
	f := newFixture(t, succeed)
	var kill context.CancelFunc
	f.options.Kill, kill = context.WithCancel(context.Background())
	s := f.configured(t)
	kill()
	if _, err := s.Recv(); !errors.Is(err, ErrKill) {
		t.Errorf("the stream ended with %v", err)
	}
}

func TestDeadline(t *testing.T) {
	const limit = "the request ran longer than 1m0s (setting request_timeout)"
	hang := func(ctx context.Context, _ *Host, _ *pb.Request) (*pb.Response, error) {
		<-ctx.Done()
		return nil, errGuest
	}
	withEngine := func(ctx context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
		if _, err := runEngine(ctx, h); err != nil {
			return nil, err
		}
		return &pb.Response{Type: &pb.Response_Init{Init: &pb.InitComplete{Error: "canceled", Modules: []*pb.Module{{Key: "kept"}}}}}, nil
	}
	lucky := func(_ context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
		if _, err := h.Start(&guestpb.ExecRequest{Program: "terraform"}); err != nil {
			return nil, err
		}
		for !h.Canceled() {
			time.Sleep(time.Second)
		}
		return completeOf(req, ""), nil
	}
	for _, tt := range []struct {
		name   string
		handle handler
		took   time.Duration
		want   string
	}{
		{"a plugin that computes is ended at once", hang, time.Minute, "plugin fake: init: " + limit},
		{"an engine is interrupted", withEngine, time.Minute + 7*time.Second, "canceled (" + limit + ")"},
		{"a success is a success", lucky, time.Minute + 7*time.Second, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &engine{exit: 7 * time.Second}
				f := newFixture(t, tt.handle)
				f.options.Limits = &guestpb.Limits{RequestMillis: 60_000}
				f.options.Programs = map[string]Program{"terraform": e.program()}
				f.options.ExitTimeout = time.Minute
				s := f.configured(t)
				o := <-begin(t.Context(), s, initRequest())
				if text := client.ErrorOf(o.resp); text != tt.want || o.took != tt.took {
					t.Errorf("after %s: %q, %v; want %q after %s", o.took, text, o.err, tt.want, tt.took)
				}
				if tt.want == "canceled ("+limit+")" && len(o.resp.GetInit().GetModules()) != 1 {
					t.Error("the rest of the plugin's answer is lost")
				}
			})
		})
	}
}

func TestClientThatDoesNotRead(t *testing.T) {
	const line = "line"
	for _, tt := range []struct {
		name string
		text string
		want time.Duration
	}{
		{"logs", line, time.Minute},
		{"a large Complete gets more time", strings.Repeat("x", 3<<20), 4 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, func(_ context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
					for tt.text == line && !h.Canceled() {
						if err := h.Log(pb.LogLevel_INFO, line); err != nil {
							return nil, err
						}
					}
					return completeOf(req, tt.text), nil
				})
				f.options.SendTimeout = time.Minute
				ended := make(chan error, 1)
				conn := client.InProcess(t.Context(), func(ctx context.Context, s client.Stream) error {
					err := Run(ctx, f.options, s)
					ended <- err
					return err
				})
				s := client.NewSession(conn)
				if err := s.Configure(&pb.Config{}); err != nil {
					t.Fatal(err)
				}
				if err := s.Send(initRequest()); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				var v *Violation
				if err := <-ended; !errors.As(err, &v) || v.Rule != "keep-reading" || time.Since(began) != tt.want {
					t.Errorf("after %s: %v, want a violation of keep-reading after %s", time.Since(began), err, tt.want)
				}
			})
		})
	}
}

func TestKillDoesNotWaitForTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, succeed)
		var kill context.CancelFunc
		f.options.Kill, kill = context.WithCancel(context.Background())
		ended := make(chan error, 1)
		s := client.NewSession(client.InProcess(t.Context(), func(ctx context.Context, s client.Stream) error {
			err := Run(ctx, f.options, s)
			ended <- err
			return err
		}))
		if err := s.Configure(&pb.Config{}); err != nil {
			t.Fatal(err)
		}
		if err := s.Send(initRequest()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the Complete is ready, and nobody reads it
		began := time.Now()
		kill()
		if err := <-ended; !errors.Is(err, ErrKill) || time.Since(began) > 2*time.Second {
			t.Errorf("after %s: %v, want ErrKill soon", time.Since(began), err)
		}
	})
}

// deaf is a stream that half-closes after its messages and can't send.
type deaf struct{ messages [][]byte }

func (d *deaf) Recv() ([]byte, error) {
	if len(d.messages) == 0 {
		return nil, io.EOF
	}
	b := d.messages[0]
	d.messages = d.messages[1:]
	return b, nil
}

func (d *deaf) Send([]byte) error { return errors.New("connection reset") }

func TestCompleteThatCannotBeSent(t *testing.T) {
	f := newFixture(t, func(_ context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
		for !h.Canceled() {
			time.Sleep(time.Millisecond)
		}
		return completeOf(req, "canceled"), nil
	})
	// A Config and an Init.
	err := Run(t.Context(), f.options, &deaf{messages: [][]byte{{0x0a, 0}, {0x1a, 0}}})
	if err == nil || !strings.Contains(err.Error(), "connection reset") {
		t.Errorf("the session ended with %v, want to hear that the Complete was not sent", err)
	}
}

func TestNoLaunchOnceInterrupted(t *testing.T) {
	e, p := exiting()
	f := newFixture(t, succeed)
	w := newWork(&session{Options: f.options.withDefaults()}, envelope{kind: Init}, nil, next{})
	w.programs.interrupt()
	if _, err := w.launch(p, Command{}); !errors.Is(err, abi.Canceled) || e.last() != nil {
		t.Errorf("got %v, want canceled", err)
	}
}
