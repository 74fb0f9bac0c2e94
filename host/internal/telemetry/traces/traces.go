// Package traces sends what sessions do to an OpenTelemetry collector: a span for each session, in the trace of its client where that says so,
// and below it one for each request, each wait for a turn, and each run of the engine, which is told its own.
package traces

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/provisor/provisor/host/internal/observe"
)

// Options of Traces.
type Options struct {
	// Endpoint is the HOST:PORT of a collector that takes OTLP over gRPC.
	Endpoint string
	// Insecure speaks to it without TLS; CA is a file with the certificates that sign its own, empty = the system's.
	Insecure bool
	CA       string
	// Headers are sent along; they may be secret.
	Headers map[string]string
	// Ratio is the share of sessions, from 0 to 1, that are traced where the client does not say.
	Ratio float64
	// Version is the daemon's.
	Version string
	// Log is the daemon's log.
	Log *slog.Logger
}

// Traces makes and sends spans. It is an observe.Observer.
type Traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// Start begins to send. A collector that can't be reached is no error: what does not reach it is lost, and the log says so.
func Start(ctx context.Context, o Options) (*Traces, error) {
	options := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(o.Endpoint)}
	if o.Insecure {
		options = append(options, otlptracegrpc.WithInsecure())
	} else {
		c, err := clientTLS(o.CA)
		if err != nil {
			return nil, err
		}
		options = append(options, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(c)))
	}
	if len(o.Headers) > 0 {
		options = append(options, otlptracegrpc.WithHeaders(o.Headers))
	}
	exporter, err := otlptracegrpc.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("send traces to %s: %w", o.Endpoint, err)
	}
	// What goes wrong while sending is told to one handler of the process, there is no other way.
	otel.SetErrorHandler(&complaints{log: o.Log})
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.Ratio))),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "provisor"), attribute.String("service.version", o.Version))),
	)
	return &Traces{provider: provider, tracer: provider.Tracer("github.com/provisor/provisor")}, nil
}

func clientTLS(ca string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca == "" {
		return c, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("read the CA of the collector of traces: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the CA of the collector of traces: no certificate in PEM form is in %s", ca)
	}
	return c, nil
}

// endTime is how long the last spans may take to the collector.
const endTime = 5 * time.Second

// Close sends what is left.
func (t *Traces) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	// What could not be sent was logged, and a daemon's end does not fail by it.
	if err := t.provider.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		otel.Handle(err)
	}
	return nil
}

// complainEvery bounds the lines about a collector that does not answer.
const complainEvery = time.Minute

// complaints log what goes wrong while spans are sent, now and then.
type complaints struct {
	log  *slog.Logger
	last atomic.Int64
}

// Handle implements otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	now := time.Now().UnixNano()
	last := c.last.Load()
	if last != 0 && now-last < int64(complainEvery) || !c.last.CompareAndSwap(last, now) || c.log == nil {
		return
	}
	c.log.Warn("traces do not reach the collector", "error", err)
}

// Begin implements observe.Observer.
func (t *Traces) Begin(ctx context.Context, a observe.Activity) context.Context {
	switch a := a.(type) {
	case *observe.Session:
		return t.begin(extract(ctx), "session", trace.SpanKindServer, a.Began,
			attribute.String("provisor.session", a.ID), attribute.String("provisor.tenant", a.Tenant),
			attribute.String("provisor.plugin", a.Plugin), attribute.String("provisor.plugin.version", a.Version), attribute.String("provisor.engine", a.Engine))
	case *observe.Request:
		return t.begin(ctx, a.Kind, trace.SpanKindInternal, a.Asked, attribute.String("provisor.session", a.Session.ID), attribute.String("provisor.tenant", a.Session.Tenant))
	case *observe.Wait:
		return t.begin(ctx, "wait", trace.SpanKindInternal, a.Began)
	case *observe.Program:
		ctx = t.begin(ctx, "engine "+a.Command, trace.SpanKindInternal, a.Began)
		a.Env = append(a.Env, environment(ctx)...)
	}
	return ctx
}

func (t *Traces) begin(ctx context.Context, name string, kind trace.SpanKind, at time.Time, attributes ...attribute.KeyValue) context.Context {
	ctx, _ = t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(at), trace.WithAttributes(attributes...))
	return ctx
}

// End implements observe.Observer.
func (t *Traces) End(ctx context.Context, a observe.Activity) {
	span := trace.SpanFromContext(ctx)
	switch a := a.(type) {
	case *observe.Session:
		end(span, a.Outcome, a.Ended)
	case *observe.Request:
		span.SetAttributes(attribute.Float64("provisor.guest_cpu_seconds", a.CPU.Seconds()), attribute.StringSlice("provisor.limits", a.Limits))
		end(span, a.Outcome, a.Ended)
	case *observe.Wait:
		span.End(trace.WithTimestamp(a.Ended))
	case *observe.Program:
		end(span, a.Outcome, a.Ended)
	}
}

func end(span trace.Span, outcome string, at time.Time) {
	span.SetAttributes(attribute.String("provisor.outcome", outcome))
	if outcome != observe.OK {
		span.SetStatus(codes.Error, outcome)
	}
	span.End(trace.WithTimestamp(at))
}

// The form in which traces are handed on: W3C's trace context. What a client sends beside it (baggage) is not.
var form propagation.TraceContext

// extract is ctx in the trace that a stream's metadata names.
func extract(ctx context.Context) context.Context {
	received, ok := metadata.FromIncomingContext(ctx)
	if !ok {
		return ctx
	}
	carrier := propagation.MapCarrier{}
	for _, name := range form.Fields() {
		if values := received.Get(name); len(values) == 1 {
			carrier.Set(name, values[0])
		}
	}
	return form.Extract(ctx, carrier)
}

// environment has the span of ctx for a program: TRACEPARENT, and TRACESTATE where there is one.
func environment(ctx context.Context) []string {
	carrier := propagation.MapCarrier{}
	form.Inject(ctx, carrier)
	var env []string
	for _, name := range form.Fields() {
		if value := carrier.Get(name); value != "" {
			env = append(env, strings.ToUpper(name)+"="+value)
		}
	}
	return env
}
