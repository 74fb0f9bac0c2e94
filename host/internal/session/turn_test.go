package session

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/queue"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// queueFixture is a fixture whose requests take slots of the queue. Its plugin works for a minute on each plan.
func queueFixture(t *testing.T, q *queue.Queue) *fixture {
	f := newFixture(t, func(ctx context.Context, _ *Host, req *pb.Request) (*pb.Response, error) {
		if req.GetPlan() != nil {
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		return completeOf(req, ""), nil
	})
	f.options.Turn = func(begun bool) (*queue.Ticket, error) { return q.Ask("a", begun) }
	return f
}

func oneSlot(share queue.Share) *queue.Queue {
	return queue.New(1, func(string) queue.Share { return share })
}

// take takes a place in the queue on behalf of somebody else.
func take(t *testing.T, q *queue.Queue, tenant string) *queue.Ticket {
	t.Helper()
	ticket, err := q.Ask(tenant, false)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func wantIdle(t *testing.T, q *queue.Queue) {
	t.Helper()
	synctest.Wait()
	if s := q.Status(); s.Used != 0 || len(s.Tenants) != 0 {
		t.Errorf("the queue is not empty: %+v", s)
	}
}

func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := oneSlot(queue.Share{})
		time.AfterFunc(65*time.Second, take(t, q, "other").Release)
		s := queueFixture(t, q).configured(t)
		o := <-begin(t.Context(), s, initRequest())
		if o.err != nil || client.ErrorOf(o.resp) != "" {
			t.Fatal(o.resp, o.err)
		}
		want := []string{
			"the init request has waited for 1s: all 1 slots are taken (setting concurrency)",
			"the init request has waited for 31s: all 1 slots are taken (setting concurrency)",
			"the init request has waited for 1m1s: all 1 slots are taken (setting concurrency)",
			"the init request begins after waiting for 1m5s",
		}
		if !slices.Equal(o.logs, want) {
			t.Errorf("the log is %q, want %q", o.logs, want)
		}
		// The session is idle: it holds no slot.
		wantIdle(t, q)
		if o := <-begin(t.Context(), s, planRequest()); len(o.logs) > 0 || o.took != time.Minute {
			t.Errorf("it took %s, with the log %q", o.took, o.logs)
		}
		wantIdle(t, q)
	})
}

// Whoever waits is canceled at once, and takes no turn from others.
func TestCancelWhileWaiting(t *testing.T) {
	for name, end := range map[string]func(cancel context.CancelFunc, s *client.Session){
		"cancel":  func(cancel context.CancelFunc, _ *client.Session) { cancel() },
		"hang up": func(_ context.CancelFunc, s *client.Session) { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := oneSlot(queue.Share{})
				s := queueFixture(t, q).configured(t)
				succeedAll(t, s, initRequest())
				ticket := take(t, q, "other")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := begin(ctx, s, planRequest())
				time.Sleep(500 * time.Millisecond)
				end(cancel, s)
				o := <-done
				if o.took != 500*time.Millisecond {
					t.Errorf("it took %s", o.took)
				}
				if name == "cancel" {
					if text := client.ErrorOf(o.resp); text != "canceled: the plan request had waited for 500ms and has not begun" {
						t.Errorf("the answer is %q, %v", text, o.err)
					}
				}
				ticket.Release()
				wantIdle(t, q)
				if name == "cancel" {
					// The session goes on.
					succeedAll(t, s, planRequest(), graphRequest())
				}
			})
		})
	}
}

// A request's time begins with its turn.
func TestDeadlineWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := oneSlot(queue.Share{})
		f := queueFixture(t, q)
		f.options.Limits = &guestpb.Limits{RequestMillis: 10_000}
		time.AfterFunc(time.Minute, take(t, q, "other").Release)
		s := f.configured(t)
		succeedAll(t, s, initRequest())
		done := begin(t.Context(), s, planRequest())
		if o := <-done; o.took < 10*time.Second || !strings.Contains(client.ErrorOf(o.resp), "request_timeout") {
			t.Errorf("%s: %v, %v", o.took, o.resp, o.err)
		}
		wantIdle(t, q)
	})
}

// Where as many wait as may, a new session ends; one that has begun goes on.
func TestQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := oneSlot(queue.Share{Waiting: 1})
		s := queueFixture(t, q).configured(t)
		succeedAll(t, s, initRequest())
		running, waiting := take(t, q, "a"), take(t, q, "a")
		begun := begin(t.Context(), s, planRequest())
		fresh := queueFixture(t, q).configured(t)
		resp, err := fresh.Do(t.Context(), initRequest(), nil)
		var full *queue.FullError
		if !errors.As(err, &full) {
			t.Errorf("got %v, %v, want the refusal", resp, err)
		}
		running.Release()
		waiting.Release()
		if o := <-begun; client.ErrorOf(o.resp) != "" || o.err != nil {
			t.Errorf("the session that had begun: %v, %v", o.resp, o.err)
		}
		wantIdle(t, q)
	})
}
