package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// These tests run on virtual time: durations are exact, and a wait of minutes takes none.

// engineFixture is a fixture whose plugin runs the engine for every request but init and then answers like the terraform plugin.
func engineFixture(t *testing.T, e *engine) *fixture {
	f := newFixture(t, func(ctx context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
		if req.GetInit() != nil {
			return completeOf(req, ""), nil
		}
		result, err := runEngine(ctx, h)
		if err != nil {
			return nil, err
		}
		if err := h.Log(pb.LogLevel_INFO, "the rest"); err != nil {
			return nil, err
		}
		if h.Canceled() {
			return completeOf(req, fmt.Sprintf("terraform plan: canceled: killed by %q", result.KilledBy)), nil
		}
		return completeOf(req, ""), nil
	})
	f.options.Programs = map[string]Program{"terraform": e.program()}
	f.options.ExitTimeout = 0 // the default
	return f
}

// outcome is what Do came to.
type outcome struct {
	resp *pb.Response
	err  error
	logs []string
	took time.Duration
}

// begin has a request answered in the background, and returns when the plugin waits for something.
func begin(ctx context.Context, s *client.Session, req *pb.Request) <-chan outcome {
	done := make(chan outcome, 1)
	began := time.Now()
	go func() {
		var o outcome
		o.resp, o.err = s.Do(ctx, req, func(l *pb.Log) { o.logs = append(o.logs, l.Output) })
		o.took = time.Since(began)
		done <- o
	}()
	synctest.Wait()
	return done
}

func TestCancelInterruptsTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{exit: 20 * time.Second}
		s := engineFixture(t, e).configured(t)
		succeedAll(t, s, initRequest())
		ctx, cancel := context.WithCancel(t.Context())
		done := begin(ctx, s, planRequest())
		cancel()
		o := <-done
		if o.err != nil || client.ErrorOf(o.resp) != `terraform plan: canceled: killed by ""` {
			t.Errorf("got %v, %v, want the Complete of the canceled request", o.resp, o.err)
		}
		if len(o.logs) != 1 || o.logs[0] != "the rest" {
			t.Errorf("logs %q, want what came after the cancel", o.logs)
		}
		if o.took != e.exit {
			t.Errorf("it took %s, the engine %s", o.took, e.exit)
		}
		// The canceled Plan counts as one that failed, and the session goes on.
		e.exit = 0
		if err := s.Cancel(); err != nil {
			t.Fatal(err)
		}
		graph := begin(t.Context(), s, graphRequest())
		e.last().end()
		if o := <-graph; o.err != nil || client.ErrorOf(o.resp) != "" {
			t.Errorf("graph: %v, %v: a Cancel with nothing running is ignored", o.resp, o.err)
		}
		if err := s.Send(applyRequest()); err != nil {
			t.Fatal(err)
		}
		wantEnd(t, s, FailedPrecondition, "apply-after-plan")
	})
}

func TestCancelAndSuccessAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(_ context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
			for req.GetPlan() != nil && !h.Canceled() {
				time.Sleep(time.Millisecond)
			}
			return completeOf(req, ""), nil
		})
		s := f.configured(t)
		succeedAll(t, s, initRequest())
		done := begin(t.Context(), s, planRequest())
		for range 3 {
			if err := s.Cancel(); err != nil {
				t.Fatal(err)
			}
		}
		if o := <-done; o.err != nil || client.ErrorOf(o.resp) != "" {
			t.Fatalf("got %v, %v", o.resp, o.err)
		}
		// It was a success, so it can be applied.
		succeedAll(t, s, applyRequest())
	})
}

func TestExitTimeoutKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{exit: -1}
		s := engineFixture(t, e).configured(t)
		succeedAll(t, s, initRequest())
		done := begin(t.Context(), s, planRequest())
		if err := s.Cancel(); err != nil {
			t.Fatal(err)
		}
		o := <-done
		if o.err != nil || client.ErrorOf(o.resp) != `terraform plan: canceled: killed by "cancel"` {
			t.Errorf("got %v, %v", o.resp, o.err)
		}
		if o.took != 3*time.Minute {
			t.Errorf("it took %s, want the default exit timeout", o.took)
		}
	})
}

func TestGracePeriod(t *testing.T) {
	for _, tt := range []struct {
		name  string
		exit  time.Duration
		want  time.Duration
		after string
	}{
		{"from the engine's end", 30 * time.Second, 40 * time.Second, "plugin fake: plan: canceled: the plugin did not answer within 10s of the end of its programs (setting grace_period)"},
		{"from the engine's kill", -1, 3*time.Minute + 10*time.Second, "grace_period"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &engine{exit: tt.exit}
				f := newFixture(t, func(ctx context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
					if req.GetPlan() == nil {
						return completeOf(req, ""), nil
					}
					if _, err := runEngine(ctx, h); err != nil {
						return nil, err
					}
					<-ctx.Done() // it hangs, until it is ended
					return nil, errGuest
				})
				f.options.Programs = map[string]Program{"terraform": e.program()}
				f.options.ExitTimeout, f.options.GracePeriod = 0, 0
				s := f.configured(t)
				succeedAll(t, s, initRequest())
				done := begin(t.Context(), s, planRequest())
				if err := s.Cancel(); err != nil {
					t.Fatal(err)
				}
				o := <-done
				if text := client.ErrorOf(o.resp); !contains(text, tt.after) || o.took != tt.want {
					t.Errorf("after %s: %q, %v; want %s", o.took, text, o.err, tt.want)
				}
				succeedAll(t, s, graphRequest())
				if f.instances() != 2 {
					t.Errorf("%d instances, want a fresh one", f.instances())
				}
			})
		})
	}
}

func TestGracePeriodWithoutPrograms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(ctx context.Context, _ *Host, _ *pb.Request) (*pb.Response, error) {
			<-ctx.Done()
			return nil, errGuest
		})
		s := f.configured(t)
		done := begin(t.Context(), s, initRequest())
		if err := s.Cancel(); err != nil {
			t.Fatal(err)
		}
		if o := <-done; o.took != 5*time.Second || !contains(client.ErrorOf(o.resp), "init: canceled", "within 5s") {
			t.Errorf("after %s: %v, %v", o.took, o.resp, o.err)
		}
	})
}

func TestSlowReaderIsNotChargedToThePlugin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(ctx context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
			for !h.Canceled() {
				time.Sleep(time.Millisecond)
			}
			for range 40 {
				if err := h.Log(pb.LogLevel_INFO, "line"); err != nil {
					return nil, err
				}
			}
			return completeOf(req, "canceled"), nil
		})
		f.options.GracePeriod = time.Second
		f.options.SendTimeout = time.Minute
		s := f.configured(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancelled := time.AfterFunc(time.Millisecond, cancel)
		defer cancelled.Stop()
		logs := 0
		resp, err := s.Do(ctx, initRequest(), func(*pb.Log) {
			logs++
			time.Sleep(time.Second) // the client takes a second for each line
		})
		if err != nil || client.ErrorOf(resp) != "canceled" || logs != 40 {
			t.Errorf("got %v, %v and %d logs, want the plugin's own answer and all of them", resp, err, logs)
		}
	})
}

func TestExecAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		f := newFixture(t, func(_ context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
			for !h.Canceled() {
				time.Sleep(time.Millisecond)
			}
			_, err := h.Start(&guestpb.ExecRequest{Program: "terraform"})
			return completeOf(req, fmt.Sprint(abi.ErrnoOf(err))), nil
		})
		f.options.Programs = map[string]Program{"terraform": e.program()}
		s := f.configured(t)
		done := begin(t.Context(), s, initRequest())
		if err := s.Cancel(); err != nil {
			t.Fatal(err)
		}
		if o := <-done; client.ErrorOf(o.resp) != "canceled" || e.last() != nil {
			t.Errorf("got %v, %v", o.resp, o.err)
		}
	})
}

func TestHalfCloseWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{exit: time.Second}
		s := engineFixture(t, e).configured(t)
		succeedAll(t, s, initRequest())
		done := begin(t.Context(), s, planRequest())
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		o := <-done
		if o.err != nil || !contains(client.ErrorOf(o.resp), "canceled") || o.took != time.Second {
			t.Errorf("after %s: %v, %v, want the Complete of the canceled request", o.took, o.resp, o.err)
		}
		wantEnd(t, s, 0, "")
	})
}

func TestBrokenStreamWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{exit: time.Second}
		f := engineFixture(t, e)
		ended := make(chan error, 1)
		s := client.NewSession(client.InProcess(t.Context(), func(ctx context.Context, s client.Stream) error {
			err := Run(ctx, f.options, s)
			ended <- err
			return err
		}))
		if err := s.Configure(&pb.Config{}); err != nil {
			t.Fatal(err)
		}
		succeedAll(t, s, initRequest())
		done := begin(t.Context(), s, planRequest())
		began := time.Now()
		s.Close()
		if err := <-ended; err == nil || time.Since(began) != time.Second {
			t.Errorf("after %s: %v, want an error once the engine has ended", time.Since(began), err)
		}
		<-done
		if p := e.last(); p.interruptedAt.IsZero() || p.killedBy != "" || !p.closed || f.removed != 1 {
			t.Errorf("the engine was not interrupted, or something is left: %+v, directory removed %d times", p, f.removed)
		}
	})
}

func TestBrokenStreamWhileIdle(t *testing.T) {
	f := newFixture(t, succeed)
	s := f.configured(t)
	succeedAll(t, s, initRequest())
	s.Close()
	if f.removed != 1 {
		t.Error("the directory is left")
	}
}

func TestRequestWhileAnotherRuns(t *testing.T) {
	for name, req := range map[string]*pb.Request{
		"one-at-a-time":     graphRequest(),
		"config-once":       {Type: &pb.Request_Config{Config: &pb.Config{}}},
		"request-not-empty": {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &engine{exit: time.Second}
				s := engineFixture(t, e).configured(t)
				succeedAll(t, s, initRequest())
				done := begin(t.Context(), s, planRequest())
				if err := s.Send(req); err != nil {
					t.Fatal(err)
				}
				var v *Violation
				if o := <-done; !errors.As(o.err, &v) || v.Rule != name || v.Code != FailedPrecondition {
					t.Errorf("got %v, %v, want no Complete and the rule %s", o.resp, o.err, name)
				}
				if p := e.last(); p.interruptedAt.IsZero() || !p.closed {
					t.Error("the engine was not interrupted")
				}
			})
		})
	}
}

func TestLeftoverProgramIsGoneBeforeTheComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{exit: time.Second}
		f := newFixture(t, func(_ context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
			for range 3 {
				if _, err := h.Start(&guestpb.ExecRequest{Program: "terraform"}); err != nil {
					return nil, err
				}
			}
			return completeOf(req, ""), nil
		})
		f.options.Programs = map[string]Program{"terraform": e.program()}
		s := f.configured(t)
		if o := <-begin(t.Context(), s, initRequest()); client.ErrorOf(o.resp) != "" || o.took != time.Second {
			t.Errorf("after %s: %v, %v", o.took, o.resp, o.err)
		}
		for _, p := range e.runs {
			if !p.closed {
				t.Error("a program is left")
			}
		}
	})
}

func TestEndBeforeAnything(t *testing.T) {
	f := newFixture(t, succeed)
	s := f.open(t)
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != io.EOF {
		t.Errorf("got %v, want a clean end", err)
	}
}
