// Package server offers sessions over gRPC: the protocol's service with its bytes as they come, health and reflection, to whom the
// listener lets in. It doesn't know what a request does.
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/provisor/provisor/host/internal/server/endpoint"
	"github.com/provisor/provisor/host/internal/server/raw"
	"github.com/provisor/provisor/host/internal/session"
	// Its descriptor is what reflection shows.
	_ "github.com/provisor/provisor/proto/provisionerpb"
)

// Server serves sessions over gRPC.
type Server struct {
	options  Options
	session  Session
	tokens   tokens
	endpoint endpoint.Endpoint
	listener net.Listener
	// unlisten frees what belongs to the listener.
	unlisten func() error
	grpc     *grpc.Server
	health   *health.Server
	streams  *streams
	// sessions is what sessions run under; cancel ends them all.
	sessions context.Context
	cancel   context.CancelCauseFunc
	// serving is set by Serve, or by a Close in its place.
	serving atomic.Bool
	// calls are the Recv and Send of streams. They end with their streams, soon after the handlers.
	calls sync.WaitGroup
}

// errShutdown is why the server ends sessions.
var errShutdown = errors.New("the server is shutting down")

// Listen opens the address. Clients can connect from now on; they are served by Serve, which must be called.
func Listen(o Options, s Session) (*Server, error) {
	o = o.withDefaults()
	e, err := endpoint.Parse(o.Listen)
	if err != nil {
		return nil, err
	}
	if err := o.check(e); err != nil {
		return nil, err
	}
	srv := &Server{options: o, session: s, endpoint: e, health: health.NewServer(), streams: newStreams(o.Streams)}
	if o.TokenFile != "" {
		if srv.tokens, err = readTokens(o.TokenFile); err != nil {
			return nil, err
		}
	}
	creds, err := o.credentials()
	if err != nil {
		return nil, err
	}
	if srv.listener, srv.unlisten, err = e.Listen(); err != nil {
		return nil, err
	}
	srv.sessions, srv.cancel = context.WithCancelCause(context.Background())
	srv.grpc = grpc.NewServer(append(o.grpc(), grpc.Creds(creds),
		grpc.ChainStreamInterceptor(srv.contain, srv.authenticateStream), grpc.ChainUnaryInterceptor(srv.authenticateUnary))...)
	srv.register()
	return srv, nil
}

// Address is where the server listens, as clients dial it; with the port that the system chose, if it was to choose one.
func (s *Server) Address() string {
	if s.endpoint.Network == "tcp" {
		return s.listener.Addr().String()
	}
	return s.endpoint.String()
}

// Serve serves until ctx ends and then drains: health says NOT_SERVING, new streams are refused, open sessions may end within the drain
// timeout and are canceled then. It returns when all of them have ended. It is to be called once.
func (s *Server) Serve(ctx context.Context) error {
	s.options.Log.Info("listening", "address", s.Address(), "tls", s.options.TLSCert != "", "tokens", len(s.tokens))
	if s.options.TokenFile != "" && s.options.TLSCert == "" && !s.endpoint.Loopback() {
		s.options.Log.Warn("tokens cross the network in the clear: give a TLS certificate", "address", s.Address())
	}
	if s.serving.Swap(true) {
		return errors.New("serve: the server was closed or is being served already")
	}
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(s.listener) }()
	var err error
	select {
	case err = <-served:
		served <- err
	case <-ctx.Done():
	case <-s.sessions.Done():
	}
	s.drain()
	s.stop()
	<-served
	s.calls.Wait()
	return errors.Join(err, s.unlisten())
}

// Close ends all sessions at once, without the time to finish that the end of Serve's context gives them, and with them Serve. A
// server that was not served yet won't be.
func (s *Server) Close() error {
	s.cancel(session.ErrKill)
	if s.serving.Swap(true) {
		return nil
	}
	s.grpc.Stop()
	return errors.Join(s.listener.Close(), s.unlisten())
}

// drain returns when no session is open any more.
func (s *Server) drain() {
	s.health.Shutdown()
	empty := s.streams.close()
	timeout := time.NewTimer(s.options.DrainTimeout)
	defer timeout.Stop()
	select {
	case <-empty:
	case <-s.sessions.Done():
	case <-timeout.C:
		if n := s.streams.count(); n > 0 {
			s.options.Log.Warn("canceling the sessions that are still open", "sessions", n, "drain_timeout", s.options.DrainTimeout)
		}
	}
	s.cancel(errShutdown)
	<-empty
}

// flushTime is how long the last statuses of streams may take to their clients.
const flushTime = time.Second

// stop closes the connections. No session is open; those who watch the server's health may still be connected.
func (s *Server) stop() {
	hurry := time.AfterFunc(flushTime, s.grpc.Stop)
	defer hurry.Stop()
	s.grpc.GracefulStop()
}

// register registers the services.
func (s *Server) register() {
	s.grpc.RegisterService(&grpc.ServiceDesc{
		ServiceName: raw.Service,
		HandlerType: (*any)(nil),
		Streams:     []grpc.StreamDesc{{StreamName: raw.Method, Handler: s.handle, ServerStreams: true, ClientStreams: true}},
		Metadata:    raw.File,
	}, s)
	grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
	s.health.SetServingStatus(raw.Service, grpc_health_v1.HealthCheckResponse_SERVING)
	reflection.Register(s.grpc)
}

// grpc are the options of the gRPC server that are about its traffic.
func (o Options) grpc() []grpc.ServerOption {
	// Half of the time until a ping, half of it for the answer.
	half := max(o.Keepalive/2, time.Second)
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(raw.Codec()),
		// gRPC refuses what is over its limit in its own words. What is just over ours is received, and refused in words that name the setting.
		grpc.MaxRecvMsgSize(o.MaxMessage + min(o.MaxMessage, DefaultMaxMessage)),
		grpc.MaxConcurrentStreams(o.StreamsPerConnection),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: half, Timeout: half}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: min(half, 5*time.Second), PermitWithoutStream: true}),
		grpc.ConnectionTimeout(20 * time.Second),
		grpc.WaitForHandlers(true),
	}
}

func (o Options) credentials() (credentials.TransportCredentials, error) {
	config, err := o.tls()
	if err != nil {
		return nil, fmt.Errorf("set up TLS: %w", err)
	}
	if config == nil {
		return insecure.NewCredentials(), nil
	}
	return credentials.NewTLS(config), nil
}
