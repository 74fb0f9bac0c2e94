package server

import (
	"context"
	"errors"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/provisor/provisor/host/internal/server/raw"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/host/internal/tenant"
)

// handle serves one stream.
func (s *Server) handle(_ any, gs grpc.ServerStream) error {
	if err := s.streams.enter(); err != nil {
		reason := settingStreams
		if status.Code(err) == codes.Unavailable {
			reason = "draining"
		}
		s.options.Load().Refused(reason)
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
	limit := s.server.options.Load().MaxMessage
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
	var quota *tenant.QuotaError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &quota):
		return status.Error(codes.ResourceExhausted, quota.Error())
	case errors.As(err, &v):
		return status.Error(codes.Code(v.Code), v.Error())
	case errors.Is(err, tenant.ErrUnknown):
		return status.Error(codes.Unauthenticated, err.Error())
	case errors.Is(err, errShutdown), errors.Is(err, session.ErrKill):
		return status.Error(codes.Unavailable, err.Error())
	case errors.Is(err, session.ErrOperator):
		return status.Error(codes.Aborted, err.Error())
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
			s.options.Load().Log.Error("panic while a stream was served", "method", info.FullMethod, "panic", p, "stack", string(debug.Stack()))
			err = status.Error(codes.Internal, "the server failed while it served this stream; its log has more")
		}
	}()
	return next(srv, ss)
}
