package server

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/host/internal/tenant"
)

func TestDrain(t *testing.T) {
	t.Parallel()
	r := start(t, Options{DrainTimeout: time.Minute}, echo)
	c := r.dial(t, client.Options{})
	s, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	configure(t, s)
	h := grpc_health_v1.NewHealthClient(plainConn(t, r))
	r.Drain()

	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		resp, err := h.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if resp.Status == grpc_health_v1.HealthCheckResponse_NOT_SERVING {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("health is %s, want NOT_SERVING", resp.Status)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		late, err := c.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err = late.Recv(); status.Code(err) == codes.Unavailable {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a new session: %v, want UNAVAILABLE", err)
		}
	}
	// The session that was open goes on.
	configure(t, s)
	select {
	case <-r.Done:
		t.Fatal("the server ended while a session was open")
	default:
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want a clean end", err)
	}
	<-r.Done
}

func TestDrainTimeoutCancels(t *testing.T) {
	t.Parallel()
	r := start(t, Options{DrainTimeout: 50 * time.Millisecond}, wait)
	s := r.open(t, client.Options{})
	if err := s.Cancel(); err != nil {
		t.Fatal(err)
	}
	for r.streams.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	r.Drain()
	if _, err := s.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want UNAVAILABLE", err)
	}
	<-r.Done
}

func TestCloseKills(t *testing.T) {
	t.Parallel()
	killed := make(chan error, 1)
	r := start(t, Options{DrainTimeout: time.Hour}, func(ctx context.Context, _ tenant.Tenant, _ session.Stream) error {
		<-ctx.Done()
		killed <- context.Cause(ctx)
		return context.Cause(ctx)
	})
	s := r.open(t, client.Options{})
	for r.streams.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	r.Drain() // it drains, and waits for the session
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := <-killed; !errors.Is(err, session.ErrKill) {
		t.Errorf("the session was ended with %v", err)
	}
	if _, err := s.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want UNAVAILABLE", err)
	}
	<-r.Done
}
