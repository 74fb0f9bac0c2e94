package daemon

import (
	"context"
	"encoding/hex"
	"net"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/provisor/provisor/host/internal/daemontest"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// receiver is a collector of traces.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	address string

	mu    sync.Mutex
	spans []*tracev1.Span
	// text is all that has come, for a search.
	text strings.Builder
	// headers are those of the latest message.
	headers metadata.MD
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{address: l.Addr().String()}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, r)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	// Spans are sent every five seconds by default.
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	return r
}

// Export implements collector.TraceServiceServer.
func (r *receiver) Export(ctx context.Context, req *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.headers, _ = metadata.FromIncomingContext(ctx)
	for _, rs := range req.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			r.spans = append(r.spans, ss.Spans...)
		}
	}
	r.text.WriteString(req.String())
	return &collector.ExportTraceServiceResponse{}, nil
}

// named are the spans of that name.
func (r *receiver) named(name string) []*tracev1.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*tracev1.Span
	for _, s := range r.spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

func attributeOf(s *tracev1.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// TestTraces runs a session in a client's trace, and follows it to the engine.
func TestTraces(t *testing.T) {
	got := newReceiver(t)
	r := start(t, "telemetry {\n  traces {\n    endpoint = \""+got.address+"\"\n    insecure = true\n    headers_file = \"headers\"\n    sample_ratio = 0\n  }\n}\n"+twoTenants(""))
	const traceID, spanID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	c := r.dial(t, "alpha")
	// This one is in nobody's trace, and the ratio is 0.
	if err := visit(t.Context(), c, ""); err != nil {
		t.Fatal(err)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+traceID+"-"+spanID+"-01", "baggage", "secret=1")
	s, err := c.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Configure(&pb.Config{}); err != nil {
		t.Fatal(err)
	}
	var logs strings.Builder
	for _, request := range []*pb.Request{
		{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: daemontest.EchoTemplate("on plan\n  run terraform show\n  error no\n")}}},
		{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}},
	} {
		if _, err := s.Do(t.Context(), request, func(l *pb.Log) { logs.WriteString(l.Output + "\n") }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the session's span comes", func() bool { return len(got.named("session")) == 1 })
	one := func(name string) *tracev1.Span {
		t.Helper()
		spans := got.named(name)
		if len(spans) != 1 {
			t.Fatalf("%d spans are named %s", len(spans), name)
		}
		if id := hex.EncodeToString(spans[0].TraceId); id != traceID {
			t.Errorf("%s is in the trace %s", name, id)
		}
		return spans[0]
	}
	session, init, plan, engine := one("session"), one("init"), one("plan"), one("engine show")
	for child, parent := range map[*tracev1.Span]string{session: spanID, init: hex.EncodeToString(session.SpanId), plan: hex.EncodeToString(session.SpanId), engine: hex.EncodeToString(plan.SpanId)} {
		if hex.EncodeToString(child.ParentSpanId) != parent || child.EndTimeUnixNano < child.StartTimeUnixNano {
			t.Errorf("%s: the parent is %x, want %s", child.Name, child.ParentSpanId, parent)
		}
	}
	if attributeOf(session, "provisor.tenant") != "team-a" || attributeOf(session, "provisor.plugin") != "echo" || attributeOf(session, "provisor.outcome") != "ok" {
		t.Errorf("the session has %v", session.Attributes)
	}
	if plan.Status.GetCode() != tracev1.Status_STATUS_CODE_ERROR || attributeOf(plan, "provisor.outcome") != "failed" || init.Status.GetCode() == tracev1.Status_STATUS_CODE_ERROR {
		t.Errorf("the plan has %v, the init %v", plan.Status, init.Status)
	}
	if want := "TRACEPARENT=00-" + traceID + "-" + hex.EncodeToString(engine.SpanId) + "-01"; !strings.Contains(logs.String(), want) {
		t.Errorf("the engine was not told %s:\n%s", want, logs.String())
	}
	got.mu.Lock()
	defer got.mu.Unlock()
	if h := got.headers.Get("authorization"); len(h) != 1 || h[0] != "Bearer for-the-collector" {
		t.Errorf("the collector was sent %q", h)
	}
	if strings.Contains(got.text.String(), "secret") {
		t.Error("a client's baggage is in a span")
	}
}

// A collector that is not there costs nobody a session, and is complained of once.
func TestNoCollector(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
	r := start(t, "telemetry {\n  traces {\n    endpoint = \"localhost:1\"\n    insecure = true\n  }\n}\n"+twoTenants(""))
	for range 3 {
		if err := visit(t.Context(), r.dial(t, "alpha"), ""); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the log says so", func() bool { return strings.Contains(r.log.String(), "traces do not reach the collector") })
	if n := strings.Count(r.log.String(), "traces do not reach the collector"); n != 1 {
		t.Errorf("it says so %d times", n)
	}
}
