package server

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/provisor/provisor/host/internal/server/endpoint"
	"github.com/provisor/provisor/host/internal/server/raw"
	"github.com/provisor/provisor/host/internal/tenant"
)

// listener is an address that the server listens on, and the gRPC server behind it.
type listener struct {
	endpoint endpoint.Endpoint
	net      net.Listener
	// unlisten frees what belongs to the address.
	unlisten func() error
	grpc     *grpc.Server
	settings atomic.Pointer[settings]
	// retired ends when the listener takes no more connections.
	retired context.Context
	retire  context.CancelFunc
}

// settings are what can change while a listener is open.
type settings struct {
	handshake credentials.TransportCredentials
	tls       bool
	anonymous tenant.Tenant
}

func newSettings(l Listener) (*settings, error) {
	config, err := l.tls()
	if err != nil {
		return nil, err
	}
	if config == nil {
		return &settings{handshake: insecure.NewCredentials(), anonymous: l.Anonymous}, nil
	}
	return &settings{handshake: credentials.NewTLS(config), tls: true, anonymous: l.Anonymous}, nil
}

// open opens the address. Nothing is served yet.
func (s *Server) openListener(e endpoint.Endpoint, o *Options, set *settings) (*listener, error) {
	l := &listener{endpoint: e}
	var err error
	if l.net, l.unlisten, err = e.Listen(); err != nil {
		return nil, err
	}
	l.retired, l.retire = context.WithCancel(context.Background())
	l.settings.Store(set)
	l.grpc = grpc.NewServer(append(o.grpc(), grpc.Creds(&handshakes{listener: l}),
		grpc.ChainStreamInterceptor(s.contain, s.authenticateStream(l)), grpc.ChainUnaryInterceptor(s.authenticateUnary(l)))...)
	l.grpc.RegisterService(&grpc.ServiceDesc{
		ServiceName: raw.Service,
		HandlerType: (*any)(nil),
		Streams:     []grpc.StreamDesc{{StreamName: raw.Method, Handler: s.handle, ServerStreams: true, ClientStreams: true}},
		Metadata:    raw.File,
	}, s)
	grpc_health_v1.RegisterHealthServer(l.grpc, doorHealth{s.health, s, l})
	reflection.Register(l.grpc)
	return l, nil
}

// serve has the listener serve in a goroutine of its own, up to its end. The server is locked.
func (s *Server) serve(l *listener) {
	s.serves.Go(func() {
		if err := l.grpc.Serve(l.net); err != nil && l.retired.Err() == nil {
			select {
			case s.broken <- err:
			default: // another has failed before
			}
		}
	})
}

// drainListener takes no more connections; those that are there may go on with their sessions. The server is locked.
func (s *Server) drainListener(l *listener) error {
	l.retire()
	if !s.serving {
		l.grpc.Stop()
		return l.close()
	}
	s.retired = append(s.retired, l)
	s.serves.Go(l.grpc.GracefulStop)
	// GracefulStop closes it too, but in its own time, and the address may be wanted again.
	l.net.Close()
	return l.unlisten()
}

// close frees the address of a listener whose gRPC server has stopped.
func (l *listener) close() error {
	l.retire()
	// Where nothing was served it is open still.
	l.net.Close()
	return l.unlisten()
}

// address is where clients reach the listener.
func (l *listener) address() string {
	if l.endpoint.Network == "tcp" {
		return l.net.Addr().String()
	}
	return l.endpoint.String()
}

// maxMetadata is the most bytes of metadata, which come before anybody knows who sends them: gRPC itself would take 16 MiB for each stream.
const maxMetadata = 64 << 10

// grpc are the options of a gRPC server that are about its traffic.
func (o *Options) grpc() []grpc.ServerOption {
	// Half of the time until a ping, half of it for the answer.
	half := max(o.Keepalive/2, time.Second)
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(raw.Codec()),
		// gRPC refuses what is over its limit in its own words. What is just over ours is received, and refused in words that name the setting.
		grpc.MaxRecvMsgSize(o.MaxMessage + min(o.MaxMessage, DefaultMaxMessage)),
		grpc.MaxConcurrentStreams(o.StreamsPerConnection),
		grpc.MaxHeaderListSize(maxMetadata),
		//lint:ignore SA1019 what is registered for the whole process, as by an exporter of traces, can be refused in no other way
		grpc.RPCDecompressor(noGzip{}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: half, Timeout: half}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: min(half, 5*time.Second), PermitWithoutStream: true}),
		grpc.ConnectionTimeout(20 * time.Second),
		grpc.WaitForHandlers(true),
	}
}

// noGzip inflates nothing: who can send a message of a few kB must not make the daemon hold what it inflates to.
type noGzip struct{}

func (noGzip) Type() string { return "gzip" }

func (noGzip) Do(io.Reader) ([]byte, error) {
	return nil, errors.New("compressed messages are not taken: send them as they are")
}

// handshakes does what the listener's settings say of the moment in which a client connects.
type handshakes struct{ listener *listener }

func (h *handshakes) current() credentials.TransportCredentials {
	return h.listener.settings.Load().handshake
}

func (h *handshakes) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return h.current().ServerHandshake(c)
}

func (h *handshakes) ClientHandshake(ctx context.Context, authority string, c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return h.current().ClientHandshake(ctx, authority, c)
}

func (h *handshakes) Info() credentials.ProtocolInfo          { return h.current().Info() }
func (h *handshakes) Clone() credentials.TransportCredentials { return h }

// OverrideServerName is for clients, and belongs to the interface all the same.
func (h *handshakes) OverrideServerName(string) error {
	return errors.New("a server overrides no name")
}
