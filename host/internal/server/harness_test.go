package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/access"
	"github.com/provisor/provisor/host/internal/daemontest"
	_ "github.com/provisor/provisor/host/internal/sandbox/compiler/compilertest"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/host/internal/tenant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a server that serves until the test ends.
type running struct {
	*Server
	*daemontest.Serving
}

// start serves sessions. Without a listener there is one for everybody; without an address it is a socket in a directory of the test.
func start(t *testing.T, o Options, s Session) *running {
	t.Helper()
	if len(o.Listeners) == 0 {
		o.Listeners = []Listener{{Anonymous: tenant.Default}}
	}
	if o.Listeners[0].Address == "" {
		o.Listeners[0].Address = "unix:" + filepath.Join(daemontest.SocketDir(t), "s")
	}
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	srv, err := Listen(o, s)
	if err != nil {
		t.Fatal(err)
	}
	return &running{srv, daemontest.Serve(t, srv.Serve)}
}

// dial connects to the server.
func (r *running) dial(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Dial(r.Addresses()[0], o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// open opens a session on a connection of its own.
func (r *running) open(t *testing.T, o client.Options) *client.Session {
	t.Helper()
	s, err := r.dial(t, o).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// echo sends back what it gets.
func echo(_ context.Context, _ tenant.Tenant, s session.Stream) error {
	for {
		b, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(b); err != nil {
			return err
		}
	}
}

// wait blocks until the session's context ends.
func wait(ctx context.Context, _ tenant.Tenant, _ session.Stream) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// pki is a certificate authority and certificates of it, as PEM files.
type pki struct{ CA, Cert, Key, ClientCert, ClientKey string }

func newPKI(t *testing.T) pki {
	t.Helper()
	dir := t.TempDir()
	caKey := newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	p := pki{CA: filepath.Join(dir, "ca.pem")}
	writePEM(t, p.CA, "CERTIFICATE", sign(t, ca, ca, &caKey.PublicKey, caKey))
	issue := func(name string) (cert, key string) {
		leafKey := newKey(t)
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		cert, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
		writePEM(t, cert, "CERTIFICATE", sign(t, leaf, ca, &leafKey.PublicKey, caKey))
		der, err := x509.MarshalPKCS8PrivateKey(leafKey)
		if err != nil {
			t.Fatal(err)
		}
		writePEM(t, key, "PRIVATE KEY", der)
		return cert, key
	}
	p.Cert, p.Key = issue("server")
	p.ClientCert, p.ClientKey = issue("client")
	return p
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, cert, parent *x509.Certificate, pub *ecdsa.PublicKey, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	writeFile(t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// known is the list of tenants that are known by these tokens.
func known(t *testing.T, tokens map[string]string) *access.List {
	t.Helper()
	var credentials []access.Credential
	for token, name := range tokens {
		hash := access.Hash(sha256.Sum256([]byte(token)))
		credentials = append(credentials, access.Credential{Tenant: parseTenant(t, name), Token: &hash})
	}
	return newAccess(t, credentials...)
}

func newAccess(t *testing.T, credentials ...access.Credential) *access.List {
	t.Helper()
	list, err := access.New(credentials)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func parseTenant(t *testing.T, name string) tenant.Tenant {
	t.Helper()
	tn, err := tenant.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}
