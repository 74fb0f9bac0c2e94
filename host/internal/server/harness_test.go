package server

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

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

func newCertificates(t *testing.T) daemontest.Certificates {
	t.Helper()
	c, err := daemontest.NewCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
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
