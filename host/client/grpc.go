package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	"github.com/provisor/provisor/host/internal/server/endpoint"
	"github.com/provisor/provisor/host/internal/server/raw"
)

// Options say how to reach a server.
type Options struct {
	// Token is the bearer token; empty = none is sent.
	Token string
	// CA is a PEM file with the certificates that sign the server's; empty = those that the system trusts.
	CA string
	// Cert and Key are PEM files with the client's own certificate, for a server that wants one.
	Cert, Key string
	// Insecure speaks to a TCP port without TLS. A unix socket needs none.
	Insecure bool
	// MaxMessage is the largest Response taken, in bytes. 0 = 64 MiB.
	MaxMessage int
	// Keepalive is the time within which a server that has vanished is noticed. 0 = 30 seconds; gRPC goes no lower than 10.
	Keepalive time.Duration
}

// The defaults of Options.
const (
	DefaultMaxMessage = 64 << 20
	DefaultKeepalive  = 30 * time.Second
)

// Client is a connection to a server. Sessions share it.
type Client struct {
	conn  *grpc.ClientConn
	token string
}

// window is how many bytes a daemon may send before they are read. Left to itself, gRPC measures what suits a connection, by a ping for each
// burst of logs.
const window = 4 << 20

// Dial returns a client of the server at the address: unix:PATH or HOST:PORT; empty = the default socket of this user's daemon. It
// connects when the first session is opened.
func Dial(address string, o Options) (*Client, error) {
	e, err := endpoint.Parse(address)
	if err != nil {
		return nil, err
	}
	if address == "" {
		// What is sent has secrets in it: they must not go to somebody else's socket.
		if err := endpoint.CheckDirectory(filepath.Dir(e.Address)); err != nil {
			return nil, fmt.Errorf("connect to the daemon at %s: %w", e, err)
		}
	}
	creds, err := o.credentials(e)
	if err != nil {
		return nil, err
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.Keepalive == 0 {
		o.Keepalive = DefaultKeepalive
	}
	target := "passthrough:///" + e.Address
	if e.Network == "unix" {
		target = e.String()
	}
	conn, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw.Codec()), grpc.MaxCallRecvMsgSize(o.MaxMessage)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: o.Keepalive / 2, Timeout: o.Keepalive / 2}),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", e, err)
	}
	return &Client{conn: conn, token: o.Token}, nil
}

// Open opens a session. The end of ctx hangs up: to have work canceled and its answer still delivered, see Session.Do.
func (c *Client) Open(ctx context.Context) (*Session, error) {
	ctx, hangUp := context.WithCancel(ctx)
	if c.token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.token)
	}
	desc := &grpc.StreamDesc{StreamName: raw.Method, ServerStreams: true, ClientStreams: true}
	stream, err := c.conn.NewStream(ctx, desc, raw.Path)
	if err != nil {
		hangUp()
		return nil, fmt.Errorf("open a session: %w", err)
	}
	return NewSession(&remote{stream: stream, hangUp: hangUp}), nil
}

// Close closes the connection. Sessions that are open are hung up.
func (c *Client) Close() error { return c.conn.Close() }

// remote is a Conn over gRPC.
type remote struct {
	stream grpc.ClientStream
	hangUp context.CancelFunc
}

func (r *remote) Send(b []byte) error { return r.stream.SendMsg(&raw.Message{Bytes: b}) }

func (r *remote) Recv() ([]byte, error) {
	var m raw.Message
	if err := r.stream.RecvMsg(&m); err != nil {
		return nil, err
	}
	return m.Bytes, nil
}

func (r *remote) CloseSend() error { return r.stream.CloseSend() }

// Close hangs up.
func (r *remote) Close() error {
	r.hangUp()
	return nil
}

func (o Options) credentials(e endpoint.Endpoint) (credentials.TransportCredentials, error) {
	withTLS := o.CA != "" || o.Cert != "" || o.Key != ""
	if o.Insecure && withTLS {
		return nil, errors.New("a CA or a certificate is for TLS, which an insecure connection does without: leave out one or the other")
	}
	if (o.Cert == "") != (o.Key == "") {
		return nil, errors.New("a certificate and its key go together: give both")
	}
	if o.Insecure || e.Network == "unix" && !withTLS {
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("read the CA: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the CA %s: no certificate in PEM form is in it", o.CA)
		}
	}
	if o.Cert != "" {
		cert, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, fmt.Errorf("read the certificate %s and its key %s: %w", o.Cert, o.Key, err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	return credentials.NewTLS(config), nil
}
