package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is the other side of a session, as a test scripts it.
type server struct {
	t *testing.T
	client.Stream
}

// recv is the next Request, or nil when there is none any more.
func (s server) recv() *pb.Request {
	b, err := s.Recv()
	if err != nil {
		return nil
	}
	req := new(pb.Request)
	if err := proto.Unmarshal(b, req); err != nil {
		s.t.Error(err)
	}
	return req
}

func (s server) send(resps ...*pb.Response) error {
	for _, resp := range resps {
		b, err := proto.Marshal(resp)
		if err != nil {
			return err
		}
		if err := s.Send(b); err != nil {
			return err
		}
	}
	return nil
}

// open opens a session with a scripted server.
func open(t *testing.T, serve func(ctx context.Context, s server) error) *client.Session {
	t.Helper()
	s := client.NewSession(client.InProcess(t.Context(), func(ctx context.Context, stream client.Stream) error {
		return serve(ctx, server{t, stream})
	}))
	t.Cleanup(func() { s.Close() })
	return s
}

func logOf(text string) *pb.Response {
	return &pb.Response{Type: &pb.Response_Log{Log: &pb.Log{Level: pb.LogLevel_INFO, Output: text}}}
}

func planOf(text string) *pb.Response {
	return &pb.Response{Type: &pb.Response_Plan{Plan: &pb.PlanComplete{Error: text}}}
}

var (
	planRequest = &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}}
	initRequest = &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{}}}
)

func TestDo(t *testing.T) {
	s := open(t, func(_ context.Context, s server) error {
		for s.recv() != nil {
			if err := s.send(logOf("a"), logOf("b"), planOf("oh no")); err != nil {
				return err
			}
		}
		return nil
	})
	for range 2 {
		var logs []string
		resp, err := s.Do(t.Context(), planRequest, func(l *pb.Log) { logs = append(logs, l.Output) })
		if err != nil {
			t.Fatal(err)
		}
		if client.ErrorOf(resp) != "oh no" {
			t.Errorf("got %v", resp)
		}
		if diff := cmp.Diff([]string{"a", "b"}, logs); diff != "" {
			t.Errorf("logs (-want +got):\n%s", diff)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != io.EOF {
		t.Errorf("got %v, want a clean end", err)
	}
	if err := s.Send(planRequest); err == nil || !strings.Contains(err.Error(), "after CloseSend") {
		t.Errorf("send after CloseSend: %v", err)
	}
}

func TestDoCancels(t *testing.T) {
	s := open(t, func(_ context.Context, s server) error {
		s.recv()
		if err := s.send(logOf("begun")); err != nil {
			return err
		}
		if s.recv().GetCancel() == nil {
			return errors.New("that was no Cancel")
		}
		return s.send(logOf("interrupted"), planOf("canceled"))
	})
	ctx, cancel := context.WithCancel(t.Context())
	var logs []string
	resp, err := s.Do(ctx, planRequest, func(l *pb.Log) {
		logs = append(logs, l.Output)
		cancel()
	})
	if err != nil || client.ErrorOf(resp) != "canceled" || len(logs) != 2 {
		t.Errorf("got %v, %v and the logs %q", resp, err, logs)
	}
	if _, err := s.Do(ctx, planRequest, nil); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "not sent") {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func TestDoFails(t *testing.T) {
	refused := errors.New("rule plan-after-init: no")
	for _, tt := range []struct {
		name  string
		req   *pb.Request
		serve func(ctx context.Context, s server) error
		want  string
		is    error
	}{
		{"refused", planRequest, func(_ context.Context, s server) error { s.recv(); return refused }, "plan request: rule plan-after-init", refused},
		{"refused before", planRequest, func(context.Context, server) error { return refused }, "plan request: rule plan-after-init", refused},
		{"ended", planRequest, func(_ context.Context, s server) error { s.recv(); return nil }, "the session ended without it", io.ErrUnexpectedEOF},
		{"another's Complete", initRequest, func(_ context.Context, s server) error { s.recv(); return s.send(planOf("")) }, "the init request was answered by the Complete of plan", nil},
		{"empty response", planRequest, func(_ context.Context, s server) error { s.recv(); return s.send(&pb.Response{}) }, "empty response", nil},
		{"garbage", planRequest, func(_ context.Context, s server) error { s.recv(); return s.Send([]byte{0xff}) }, "decode a response of 1 bytes", nil},
		{"bad upload", initRequest, func(_ context.Context, s server) error {
			s.recv()
			return s.send(&pb.Response{Type: &pb.Response_ChunkPiece{ChunkPiece: &pb.ChunkPiece{}}})
		}, "a piece came before its upload", nil},
		{"no answer", &pb.Request{Type: &pb.Request_Cancel{Cancel: &pb.CancelRequest{}}}, func(context.Context, server) error { return nil }, "cancel has no answer", nil},
		{"empty request", &pb.Request{}, func(context.Context, server) error { return nil }, "has no answer", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := open(t, tt.serve).Do(t.Context(), tt.req, nil)
			if resp != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v; want %q", resp, err, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v does not wrap %v", err, tt.is)
			}
		})
	}
}

func TestCloseHangsUp(t *testing.T) {
	seen := make(chan error, 2)
	s := open(t, func(ctx context.Context, s server) error {
		<-ctx.Done()
		_, err := s.Recv()
		seen <- err
		seen <- s.Send(nil)
		return err
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-seen; err == nil || err == io.EOF {
			t.Errorf("the session saw %v, want a broken stream", err)
		}
	}
	if err := s.Close(); err == nil {
		t.Error("a second Close knows nothing of how the session ended")
	}
}

func TestCloseWhileDoWaits(t *testing.T) {
	s := open(t, func(ctx context.Context, s server) error {
		<-ctx.Done()
		return fmt.Errorf("hung up: %w", ctx.Err())
	})
	done := make(chan error)
	go func() {
		_, err := s.Do(t.Context(), initRequest, nil)
		done <- err
	}()
	time.Sleep(time.Millisecond)
	s.Close()
	if err := <-done; err == nil {
		t.Error("Do returned no error")
	}
}
