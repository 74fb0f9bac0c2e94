package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/server/raw"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/host/internal/tenant"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestBytesStayAsTheyCame(t *testing.T) {
	t.Parallel()
	r := start(t, Options{}, echo)
	conn := plainConn(t, r)
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, raw.Path, grpc.ForceCodecV2(raw.Codec()))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]byte{{}, {0xff, 0xff}, []byte("no message at all"), bytes.Repeat([]byte("large "), 5<<20)} {
		if err := stream.SendMsg(&raw.Message{Bytes: want}); err != nil {
			t.Fatal(err)
		}
		var got raw.Message
		if err := stream.RecvMsg(&got); err != nil {
			// What is over the client's own default limit is the client's to refuse.
			if len(want) > 4<<20 && status.Code(err) == codes.ResourceExhausted {
				continue
			}
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes, want) {
			t.Errorf("got %d bytes, want %d", len(got.Bytes), len(want))
		}
	}
}

func TestMessageLimit(t *testing.T) {
	t.Parallel()
	s := start(t, Options{MaxMessage: 1 << 20}, echo).open(t, client.Options{})
	send := func(size int) error {
		return s.Send(&pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: make([]byte, size)}}})
	}
	if err := send(1<<20 - 100); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := send(1 << 20); err != nil {
		t.Fatal(err)
	}
	_, err := s.Recv()
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "max_message") || !strings.Contains(err.Error(), "1048576") {
		t.Errorf("got %v, want RESOURCE_EXHAUSTED with the setting max_message and its value", err)
	}
}

func TestEndsOfStreams(t *testing.T) {
	t.Parallel()
	violation := &session.Violation{Code: session.FailedPrecondition, Rule: "init-once", Detail: "detail"}
	for _, tt := range []struct {
		name string
		err  error
		want codes.Code
		text string
	}{
		{"well", nil, codes.OK, ""},
		{"violation", violation, codes.FailedPrecondition, "rule init-once: detail"},
		{"wrapped violation", fmt.Errorf("x: %w", violation), codes.FailedPrecondition, "init-once"},
		{"status", fmt.Errorf("receive: %w", status.Error(codes.ResourceExhausted, "too big")), codes.ResourceExhausted, "too big"},
		{"canceled", fmt.Errorf("x: %w", context.Canceled), codes.Canceled, "canceled"},
		{"shutdown", fmt.Errorf("x: %w", errShutdown), codes.Unavailable, "shutting down"},
		{"other", errors.New("disk on fire"), codes.Internal, "disk on fire"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, Options{}, func(context.Context, tenant.Tenant, session.Stream) error { return tt.err }).open(t, client.Options{})
			_, err := s.Recv()
			if tt.want == codes.OK {
				if err != io.EOF {
					t.Errorf("got %v, want a clean end", err)
				}
				return
			}
			if status.Code(err) != tt.want || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %s with %q", err, tt.want, tt.text)
			}
		})
	}
}

func TestPanicEndsItsStreamAlone(t *testing.T) {
	t.Parallel()
	var once sync.Once
	r := start(t, Options{}, func(ctx context.Context, tn tenant.Tenant, s session.Stream) error {
		once.Do(func() { panic("a bug") })
		return echo(ctx, tn, s)
	})
	c := r.dial(t, client.Options{})
	for i, want := range []codes.Code{codes.Internal, codes.OK} {
		s, err := c.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		_, err = s.Recv()
		if err == io.EOF {
			err = nil
		}
		if status.Code(err) != want || strings.Contains(fmt.Sprint(err), "a bug") {
			t.Errorf("session %d: got %v, want %s and nothing of the panic", i, err, want)
		}
	}
}

func TestLimitOfSessions(t *testing.T) {
	t.Parallel()
	r := start(t, Options{Streams: 2}, echo)
	c := r.dial(t, client.Options{})
	for range 2 {
		s, err := c.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		configure(t, s)
	}
	s, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "max_streams") {
		t.Errorf("got %v, want RESOURCE_EXHAUSTED with the setting", err)
	}
}

func TestLimitOfStreamsPerConnection(t *testing.T) {
	t.Parallel()
	r := start(t, Options{StreamsPerConnection: 1}, echo)
	c := r.dial(t, client.Options{})
	first, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	configure(t, first)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.Open(ctx); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a second stream: got %v, want to wait for the first to end", err)
	}
	// Another connection is not concerned.
	configure(t, r.open(t, client.Options{}))
}

// configure sends a message and waits until it has come back from echo: the stream is open on the server then.
func configure(t *testing.T, s *client.Session) {
	t.Helper()
	if err := s.Configure(&pb.Config{ProvisionerLogLevel: "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
}

func TestVanishedClient(t *testing.T) {
	t.Parallel()
	ended := make(chan time.Time, 1)
	began := make(chan struct{})
	r := start(t, Options{Listeners: []Listener{{Address: "127.0.0.1:0", Insecure: true, Anonymous: tenant.Default}}, Keepalive: 2 * time.Second}, func(ctx context.Context, _ tenant.Tenant, _ session.Stream) error {
		close(began)
		<-ctx.Done()
		ended <- time.Now()
		return ctx.Err()
	})
	line := daemontest.NewLine(t, "tcp", r.Addresses()[0])
	c, err := client.Dial(line.Address, client.Options{Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-began
	line.Cut()
	cut := time.Now()
	select {
	case at := <-ended:
		t.Logf("noticed after %s", at.Sub(cut))
	case <-time.After(DefaultKeepalive - 5*time.Second):
		t.Fatal("the server did not notice within 2s (and some, on a busy machine) that the client has vanished")
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	// No token is needed to ask.
	r := start(t, Options{Listeners: []Listener{{}}, Access: known(t, map[string]string{"secret": "default"})}, echo)
	h := grpc_health_v1.NewHealthClient(plainConn(t, r))
	for _, service := range []string{"", raw.Service} {
		resp, err := h.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil {
			t.Fatal(err)
		}
		if resp.Status != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("%q: %s, want SERVING", service, resp.Status)
		}
	}
}

// What else health has to tell is for those alone who could open a session.
func TestHealthOfParts(t *testing.T) {
	t.Parallel()
	r := start(t, Options{
		Listeners: []Listener{{}}, Access: known(t, map[string]string{"secret": "default"}), Health: map[string]bool{"part.good": true, "part.bad": false},
	}, echo)
	h := grpc_health_v1.NewHealthClient(plainConn(t, r))
	with := func(token string) context.Context {
		return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	}
	for service, want := range map[string]grpc_health_v1.HealthCheckResponse_ServingStatus{
		"part.good": grpc_health_v1.HealthCheckResponse_SERVING, "part.bad": grpc_health_v1.HealthCheckResponse_NOT_SERVING,
	} {
		request := &grpc_health_v1.HealthCheckRequest{Service: service}
		if resp, err := h.Check(with("secret"), request); err != nil || resp.Status != want {
			t.Errorf("%s: got %v, %v, want %s", service, resp, err, want)
		}
		for _, ctx := range []context.Context{t.Context(), with("wrong")} {
			if _, err := h.Check(ctx, request); status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: a check by a stranger: %v", service, err)
			}
			watch, err := h.Watch(ctx, request)
			if err == nil {
				_, err = watch.Recv()
			}
			if status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: a watch by a stranger: %v", service, err)
			}
		}
	}
	watching, stop := context.WithCancel(with("secret"))
	defer stop()
	watch, err := h.Watch(watching, &grpc_health_v1.HealthCheckRequest{Service: "part.good"})
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := watch.Recv(); err != nil || resp.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("a watch: %v, %v", resp, err)
	}
	for ctx, want := range map[context.Context]int{t.Context(): 2, with("wrong"): 2, with("secret"): 4} {
		if list, err := h.List(ctx, &grpc_health_v1.HealthListRequest{}); err != nil || len(list.Statuses) != want {
			t.Errorf("got %v, %v, want %d services", list, err, want)
		}
	}
}

func TestReflection(t *testing.T) {
	t.Parallel()
	r := start(t, Options{}, echo)
	stream, err := grpc_reflection_v1.NewServerReflectionClient(plainConn(t, r)).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(req *grpc_reflection_v1.ServerReflectionRequest) *grpc_reflection_v1.ServerReflectionResponse {
		t.Helper()
		if err := stream.Send(req); err != nil {
			t.Fatal(err)
		}
		resp, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	list := ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}})
	var names []string
	for _, s := range list.GetListServicesResponse().GetService() {
		names = append(names, s.Name)
	}
	if !slices.Contains(names, raw.Service) {
		t.Errorf("services %v, want %s among them", names, raw.Service)
	}
	for _, symbol := range []string{raw.Service, raw.Service + "." + raw.Method, "provisioner.PlanComplete"} {
		resp := ask(&grpc_reflection_v1.ServerReflectionRequest{
			MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol},
		})
		if !describesSession(t, resp.GetFileDescriptorResponse().GetFileDescriptorProto()) {
			t.Errorf("%s: no file with the method came: %v", symbol, resp)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
}

// describesSession says whether one of the serialized files has the service with its method.
func describesSession(t *testing.T, files [][]byte) bool {
	t.Helper()
	for _, b := range files {
		var file descriptorpb.FileDescriptorProto
		if err := proto.Unmarshal(b, &file); err != nil {
			t.Fatal(err)
		}
		for _, s := range file.Service {
			m := s.Method[0]
			if s.GetName() == "Provisioner" && m.GetName() == raw.Method && m.GetClientStreaming() && m.GetServerStreaming() {
				return true
			}
		}
	}
	return false
}

// plainConn is a connection without our client's settings.
func plainConn(t *testing.T, r *running) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(r.Addresses()[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
