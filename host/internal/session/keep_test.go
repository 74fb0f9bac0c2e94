package session

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// applied answers an apply with that state, and other requests with a success.
func applied(state, text string) handler {
	return func(_ context.Context, _ *Host, req *pb.Request) (*pb.Response, error) {
		resp := completeOf(req, "")
		if c := resp.GetApply(); c != nil {
			c.State, c.Error = []byte(state), text
		}
		return resp, nil
	}
}

// An answer counts as delivered once the client has sent something that it would not have sent before reading it.
func TestStatesUntilTheyAreDelivered(t *testing.T) {
	sent := "kept: the answer was sent, and nothing says that the client has it: "
	for _, tt := range []struct {
		name string
		// next is what the client does once it has the answer.
		next func(*client.Session)
		want string
	}{
		{"another request", func(s *client.Session) { _, _ = s.Do(context.Background(), graphRequest(), nil) }, "confirmed S"},
		{"a half-close", func(s *client.Session) { s.CloseSend() }, "confirmed S"},
		{"it hangs up", func(s *client.Session) { s.Close() }, sent},
		{"a cancel is no sign", func(s *client.Session) { s.Cancel(); s.Close() }, sent},
		{"a request that is out of order", func(s *client.Session) { _ = s.Send(initRequest()) },
			sent + "rule init-once"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, applied("S", "an error"))
			s := f.configured(t)
			succeedAll(t, s, initRequest(), planRequest())
			do(t, s, applyRequest())
			tt.next(s)
			s.CloseSend()
			for err := error(nil); err == nil; {
				_, err = s.Recv()
			}
			s.Close()
			if want := []string{"begun", "finished", tt.want}; !slices.EqualFunc(f.kept, want, strings.HasPrefix) {
				t.Errorf("the keeper was told %q, want %q", f.kept, want)
			}
		})
	}
}

// What ends the stream before the answer was sent keeps the states, and says why.
func TestStatesThatAreNotDelivered(t *testing.T) {
	for _, tt := range []struct {
		name string
		// while is what the client does while the apply runs.
		while func(s *client.Session, kill func(error))
		want  string
	}{
		{"it hangs up", func(s *client.Session, _ func(error)) { s.Close() }, "kept: the answer was not sent: send a response of"},
		{"it half-closes", func(s *client.Session, _ func(error)) { s.CloseSend() }, "kept: the answer was sent, and nothing says that the client has it: the client had closed its side"},
		{"it breaks the protocol", func(s *client.Session, _ func(error)) { _ = s.Send(planRequest()) }, "kept: the answer was not sent: rule one-at-a-time"},
		{"the server shuts down", func(_ *client.Session, end func(error)) { end(errors.New("shutting down")) },
			"kept: the answer was sent, and nothing says that the client has it: the session was ended: shutting down"},
		{"the session is killed", func(_ *client.Session, end func(error)) { end(ErrKill) },
			"kept: the answer was sent, and nothing says that the client has it: the session was ended: the session was killed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := make(chan struct{})
				f := newFixture(t, func(ctx context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
					if req.GetApply() != nil {
						close(begun)
						for !h.Canceled() && ctx.Err() == nil {
							time.Sleep(time.Millisecond)
						}
					}
					return applied("S", "canceled")(ctx, h, req)
				})
				ctx, end := context.WithCancelCause(t.Context())
				s := f.openContext(ctx, t)
				if err := s.Configure(&pb.Config{}); err != nil {
					t.Fatal(err)
				}
				succeedAll(t, s, initRequest(), planRequest())
				if err := s.Send(applyRequest()); err != nil {
					t.Fatal(err)
				}
				<-begun
				tt.while(s, end)
				for {
					if _, err := s.Recv(); err != nil {
						break
					}
				}
				s.Close()
				if want := []string{"begun", "finished", tt.want}; !slices.EqualFunc(f.kept, want, strings.HasPrefix) {
					t.Errorf("the keeper was told %q, want %q", f.kept, want)
				}
			})
		})
	}
}

// A half-close that came before the answer is no sign that the answer was read, also where it is noticed only afterwards.
func TestHalfCloseBeforeTheAnswer(t *testing.T) {
	s := &session{Options: Options{}.withDefaults()}
	f := newFixture(t, succeed)
	now := time.Now()
	s.unconfirmed = &unconfirmed{keeper: fakeKeeper{f, t.TempDir()}, state: []byte("S"), sent: now}
	s.confirm(None, now.Add(-time.Millisecond))
	if len(f.kept) != 0 {
		t.Errorf("the keeper was told %q", f.kept)
	}
	s.confirm(None, now.Add(time.Millisecond))
	if !slices.Equal(f.kept, []string{"confirmed S"}) {
		t.Errorf("the keeper was told %q", f.kept)
	}
}

// An answer without a state gets the newest complete one: the engine may have left its file half written.
func TestAnswerWithoutAState(t *testing.T) {
	f := newFixture(t, func(ctx context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
		if req.GetApply() != nil {
			if err := os.WriteFile(filepath.Join(h.session.dir.Work(), "terraform.tfstate"), []byte("kept"), 0o600); err != nil {
				return nil, err
			}
		}
		return applied("", "read state: it is not whole")(ctx, h, req)
	})
	s := f.configured(t)
	succeedAll(t, s, initRequest(), planRequest())
	resp, text := do(t, s, applyRequest())
	if string(resp.GetApply().GetState()) != "kept" || text != "read state: it is not whole" {
		t.Errorf("got state %q and error %q", resp.GetApply().GetState(), text)
	}
	succeedAll(t, s, graphRequest())
	if want := []string{"begun", "finished", "confirmed kept"}; !slices.Equal(f.kept, want) {
		t.Errorf("the keeper was told %q, want %q", f.kept, want)
	}
}

// An apply whose states can't be kept does not begin, and the session goes on.
func TestRefusedApply(t *testing.T) {
	f := newFixture(t, applied("S", ""))
	f.refusal = errors.New("refused: 3 MiB are free")
	s := f.configured(t)
	succeedAll(t, s, initRequest(), planRequest())
	if _, text := do(t, s, applyRequest()); text != "apply: refused: 3 MiB are free" {
		t.Errorf("the answer's error is %q", text)
	}
	if got := len(f.raw); got != 2 {
		t.Errorf("the plugin got %d requests, want 2: no apply", got)
	}
	f.refusal = nil
	succeedAll(t, s, planRequest(), applyRequest(), graphRequest())
	if f.instances() != 1 {
		t.Errorf("%d instances, want the same all along", f.instances())
	}
}
