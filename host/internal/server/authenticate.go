package server

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/provisor/provisor/host/internal/access"
	"github.com/provisor/provisor/host/internal/server/raw"
	"github.com/provisor/provisor/host/internal/tenant"
)

// tenantKey is the key of the tenant in a stream's context.
type tenantKey struct{}

// tenantOf is on whose behalf the stream is. The zero value means that it was not authenticated.
func tenantOf(ctx context.Context) tenant.Tenant {
	t, _ := ctx.Value(tenantKey{}).(tenant.Tenant)
	return t
}

func (s *Server) authenticateStream(l *listener) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		ctx, err := s.authenticate(ss.Context(), l, info.FullMethod)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(info.FullMethod, "/"+raw.Service+"/") {
			// Who watches the server's health would do so for ever.
			var cancel context.CancelFunc
			ctx, cancel = context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(l.retired, cancel)()
		}
		return next(srv, authenticated{ss, ctx})
	}
}

func (s *Server) authenticateUnary(l *listener) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		ctx, err := s.authenticate(ctx, l, info.FullMethod)
		if err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

// authenticated is a stream whose context has the tenant.
type authenticated struct {
	grpc.ServerStream
	ctx context.Context
}

func (a authenticated) Context() context.Context { return a.ctx }

// authenticate finds the tenant by what the client shows. Whether the server is up may be asked by anybody; see doorHealth.
func (s *Server) authenticate(ctx context.Context, l *listener, method string) (context.Context, error) {
	if strings.HasPrefix(method, "/grpc.health.") {
		return ctx, nil
	}
	t, err := s.identify(ctx, l)
	if err != nil {
		s.options.Load().Refused("unauthenticated")
		return nil, err
	}
	return context.WithValue(ctx, tenantKey{}, t), nil
}

// identify is the tenant whose client this is at the listener. The error is a status.
func (s *Server) identify(ctx context.Context, l *listener) (tenant.Tenant, error) {
	token, ok := bearer(ctx)
	t, err := s.access.Load().Find(access.Shown{Token: token, Certificate: certificate(ctx)})
	if !ok {
		err = access.ErrUnknownToken
	}
	if anonymous := l.settings.Load().anonymous; errors.Is(err, access.ErrNothingShown) && anonymous != (tenant.Tenant{}) {
		t, err = anonymous, nil
	}
	if err != nil {
		return tenant.Tenant{}, status.Errorf(codes.Unauthenticated, "%v: send the metadata authorization: Bearer TOKEN, or show a client certificate that is known here", err)
	}
	return t, nil
}

// bearer is the token that the client has sent; empty = none. false = it has sent something else in the place of one.
func bearer(ctx context.Context) (string, bool) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) == 0 {
		return "", true
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	return token, len(values) == 1 && token != "" && strings.EqualFold(scheme, "bearer")
}

// certificate is the client's certificate, if it has shown one and TLS has verified it.
func certificate(ctx context.Context) *x509.Certificate {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 {
		return nil
	}
	return info.State.VerifiedChains[0][0]
}
