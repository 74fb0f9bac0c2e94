package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/provisor/provisor/host/internal/access"
	"github.com/provisor/provisor/host/internal/server/endpoint"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/host/internal/tenant"
)

// Session serves one session on behalf of the tenant. A *session.Violation ends the stream with its code, and a *tenant.QuotaError with
// RESOURCE_EXHAUSTED.
type Session func(ctx context.Context, t tenant.Tenant, s session.Stream) error

// Options say where and to whom a server listens.
type Options struct {
	// Listeners are the addresses. None = the user's own unix socket, for the default tenant.
	Listeners []Listener
	// Access is by which credentials tenants are known; nil = by none.
	Access *access.List
	// MaxMessage is the largest message from a client in bytes. 0 = 64 MiB.
	MaxMessage int
	// Keepalive is the time within which a client that has vanished is noticed. 0 = 30 seconds, the least is 2.
	Keepalive time.Duration
	// StreamsPerConnection limits the open streams of one connection. 0 = 100.
	StreamsPerConnection uint32
	// Streams limits the open sessions of the server. 0 = 10,000.
	Streams int
	// DrainTimeout is how long running sessions may go on once the server is to end. 0 = they are canceled at once.
	DrainTimeout time.Duration
	// Health has what else health tells of, to those who could open a session: by the name of a service, whether it serves. It is read once,
	// by Listen.
	Health map[string]bool
	// Refused is told when a stream is refused before it is a tenant's session: "unauthenticated", "max_streams" or "draining"; nil = nobody.
	Refused func(reason string)
	// Log is the daemon's log; nil = none.
	Log *slog.Logger
}

// Listener is an address to listen on.
type Listener struct {
	// Address is unix:PATH or HOST:PORT; empty = the user's default socket.
	Address string
	// TLSCert and TLSKey are the server's certificate and key in PEM files; ClientCA those that sign clients' certificates.
	TLSCert, TLSKey, ClientCA string
	// CertificateOptional lets in clients without a certificate too, where there is a ClientCA.
	CertificateOptional bool
	// Anonymous is the tenant of those who show no credentials, or none but a certificate that no tenant is known by. Without it they are
	// refused.
	Anonymous tenant.Tenant
	// Insecure lets anybody who reaches a TCP port open sessions, which is to run code.
	Insecure bool
}

// The defaults of Options.
const (
	DefaultMaxMessage           = 64 << 20
	DefaultKeepalive            = 30 * time.Second
	DefaultStreamsPerConnection = 100
	DefaultStreams              = 10_000
)

// minKeepalive is what gRPC can do: a ping every second at most, and a second for the answer.
const minKeepalive = 2 * time.Second

// The names of the settings, for messages that say which one to raise.
const (
	settingMaxMessage           = "max_message"
	settingStreams              = "max_streams"
	settingKeepalive            = "keepalive"
	settingStreamsPerConnection = "max_streams_per_connection"
)

func (o Options) withDefaults() Options {
	if len(o.Listeners) == 0 {
		o.Listeners = []Listener{{Anonymous: tenant.Default}}
	}
	if o.Access == nil {
		o.Access = &access.List{}
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.Keepalive == 0 {
		o.Keepalive = DefaultKeepalive
	}
	o.Keepalive = max(o.Keepalive, minKeepalive)
	if o.StreamsPerConnection == 0 {
		o.StreamsPerConnection = DefaultStreamsPerConnection
	}
	if o.Streams == 0 {
		o.Streams = DefaultStreams
	}
	if o.Refused == nil {
		o.Refused = func(string) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// check says what is wrong with the options, but for the listeners.
func (o Options) check() error {
	if o.MaxMessage < 0 || o.Streams < 0 || o.DrainTimeout < 0 {
		return errors.New("the largest message, the number of streams and the drain timeout can't be below 0")
	}
	return nil
}

// errOpen: anybody could run code here.
var errOpen = errors.New("whoever can open a session can run programs on this machine, and this address is open to others: " +
	"give a token file, or a TLS certificate with a client CA, or say that it may be insecure")

// check says what is wrong with the listener at that endpoint.
func (l Listener) check(e endpoint.Endpoint, known *access.List) error {
	nobody := l.Anonymous == tenant.Tenant{}
	switch {
	case (l.TLSCert == "") != (l.TLSKey == ""):
		return errors.New("a TLS certificate and its key go together: give both")
	case l.ClientCA != "" && l.TLSCert == "":
		return errors.New("a client CA needs the server to have a TLS certificate and key itself")
	case e.Network == "tcp" && !nobody && !l.Insecure && (l.ClientCA == "" || l.CertificateOptional):
		return errOpen
	case nobody && known.Tokens() == 0 && (l.ClientCA == "" || known.Certificates() == 0):
		return errors.New("nobody could open a session here: no tenant has a token, or a certificate that this address asks for, and there is no anonymous one")
	}
	return nil
}

// tls is the configuration of TLS, or nil without a certificate.
func (l Listener) tls() (*tls.Config, error) {
	if l.TLSCert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(l.TLSCert, l.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("read the TLS certificate %s and its key %s: %w", l.TLSCert, l.TLSKey, err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if l.ClientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(l.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("read the client CA: %w", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the client CA %s: no certificate in PEM form is in it", l.ClientCA)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	if l.CertificateOptional {
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return c, nil
}
