package server

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/provisor/provisor/host/internal/server/raw"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/host/internal/tenant"
)

// handle serves one stream.
func (s *Server) handle(_ any, gs grpc.ServerStream) error {
	if err := s.streams.enter(); err != nil {
		return err
	}
	defer s.streams.leave()
	ctx, cancel := context.WithCancelCause(gs.Context())
	defer cancel(nil)
	stop := context.AfterFunc(s.sessions, func() { cancel(context.Cause(s.sessions)) })
	defer stop()
	return statusOf(s.session(ctx, tenantOf(ctx), &stream{gs, s}))
}

// stream is a gRPC stream as a session sees it.
type stream struct {
	grpc.ServerStream
	server *Server
}

// Recv implements session.Stream.
func (s *stream) Recv() ([]byte, error) {
	s.server.calls.Add(1)
	defer s.server.calls.Done()
	var m raw.Message
	err := s.RecvMsg(&m)
	limit := s.server.options.MaxMessage
	switch {
	case err != nil:
		return nil, err
	case len(m.Bytes) > limit:
		return nil, status.Errorf(codes.ResourceExhausted, "a message has %d bytes, the limit is %d (setting %s)", len(m.Bytes), limit, settingMaxMessage)
	}
	return m.Bytes, nil
}

// Send implements session.Stream.
func (s *stream) Send(b []byte) error {
	s.server.calls.Add(1)
	defer s.server.calls.Done()
	return s.SendMsg(&raw.Message{Bytes: b})
}

// statusOf is the gRPC status that a stream ends with.
func statusOf(err error) error {
	var v *session.Violation
	switch {
	case err == nil:
		return nil
	case errors.As(err, &v):
		return status.Error(codes.Code(v.Code), v.Error())
	case errors.Is(err, errShutdown), errors.Is(err, session.ErrKill):
		return status.Error(codes.Unavailable, err.Error())
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, err.Error())
	}
	// It may wrap the status that the stream broke with.
	var g interface{ GRPCStatus() *status.Status }
	if errors.As(err, &g) {
		return status.Error(g.GRPCStatus().Code(), err.Error())
	}
	return status.Error(codes.Internal, err.Error())
}

// contain turns a panic of a handler into the end of its stream.
func (s *Server) contain(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.options.Log.Error("panic while a stream was served", "method", info.FullMethod, "panic", p, "stack", string(debug.Stack()))
			err = status.Error(codes.Internal, "the server failed while it served this stream; its log has more")
		}
	}()
	return next(srv, ss)
}

// tenantKey is the key of the tenant in a stream's context.
type tenantKey struct{}

func tenantOf(ctx context.Context) tenant.Tenant {
	t, ok := ctx.Value(tenantKey{}).(tenant.Tenant)
	if !ok {
		return tenant.Default
	}
	return t
}

func (s *Server) authenticateStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx, err := s.authenticate(ss.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return next(srv, authenticated{ss, ctx})
}

func (s *Server) authenticateUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	ctx, err := s.authenticate(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return next(ctx, req)
}

// authenticated is a stream whose context has the tenant.
type authenticated struct {
	grpc.ServerStream
	ctx context.Context
}

func (a authenticated) Context() context.Context { return a.ctx }

// authenticate finds the tenant by the bearer token. Whether the server is up may be asked without one.
func (s *Server) authenticate(ctx context.Context, method string) (context.Context, error) {
	if len(s.tokens) == 0 || strings.HasPrefix(method, "/grpc.health.") {
		return ctx, nil
	}
	t, ok := s.tokens.find(bearer(ctx))
	if !ok {
		return nil, status.Error(codes.Unauthenticated, "this server wants a valid token: send the metadata authorization: Bearer TOKEN")
	}
	return context.WithValue(ctx, tenantKey{}, t), nil
}

// bearer is the token that the client has sent, or empty.
func bearer(ctx context.Context) string {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
