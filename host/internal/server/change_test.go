package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/access"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/host/internal/tenant"
)

// change prepares and commits other options.
func (r *running) change(t *testing.T, o Options) {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	c, err := r.Prepare(o)
	if err != nil {
		t.Fatal(err)
	}
	c.Commit()
}

// tenantAt is the tenant that a new client is taken for at the address.
func tenantAt(t *testing.T, address string, o client.Options) (string, codes.Code) {
	t.Helper()
	c, err := client.Dial(address, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.Open(t.Context())
	if err == nil {
		defer s.Close()
		if resp, err := s.Recv(); err == nil {
			return resp.GetLog().GetOutput(), codes.OK
		} else {
			return "", codeOf(err)
		}
	}
	return "", codeOf(err)
}

func codeOf(err error) codes.Code {
	var g interface{ GRPCStatus() *status.Status }
	if errors.As(err, &g) {
		return g.GRPCStatus().Code()
	}
	return codes.Unknown
}

func want(t *testing.T, what, address string, o client.Options, name string, code codes.Code) {
	t.Helper()
	if got, c := tenantAt(t, address, o); got != name || c != code {
		t.Errorf("%s: got tenant %q and %s, want %q and %s", what, got, c, name, code)
	}
}

// TestChange changes who is let in, and where, while sessions are open.
func TestChange(t *testing.T) {
	t.Parallel()
	p := newCertificates(t)
	dir := daemontest.SocketDir(t)
	first, second := "unix:"+filepath.Join(dir, "1"), "unix:"+filepath.Join(dir, "2")
	tcp := Listener{Address: "127.0.0.1:0", TLSCert: p.Cert, TLSKey: p.Key}
	// telling tells the tenant and then echoes.
	telling := func(ctx context.Context, tn tenant.Tenant, s session.Stream) error {
		return errors.Join(tellTenant(ctx, tn, s), echo(ctx, tn, s))
	}
	r := start(t, Options{Listeners: []Listener{{Address: first, Anonymous: tenant.Default}}}, telling)
	open := func(address string) *client.Session {
		t.Helper()
		c, err := client.Dial(address, client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		s, err := c.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
		return s
	}
	old := open(first)
	h := grpc_health_v1.NewHealthClient(plainConn(t, r))
	watch, err := h.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}

	// The same address asks for tokens now, and there is another.
	r.change(t, Options{Listeners: []Listener{{Address: first}, tcp}, Access: known(t, map[string]string{"alpha": "a-team"})})
	tcpAddress := r.Addresses()[1]
	want(t, "no token where there was an anonymous tenant", first, client.Options{}, "", codes.Unauthenticated)
	want(t, "a token", first, client.Options{Token: "alpha"}, "a-team", codes.OK)
	want(t, "a token at the new address", tcpAddress, client.Options{CA: p.CA, Token: "alpha"}, "a-team", codes.OK)
	configure(t, old)

	// Another certificate and client CA at the same address, and the first address goes.
	q := newCertificates(t)
	r.change(t, Options{
		Listeners: []Listener{{Address: second, Anonymous: tenant.Default}, {Address: "127.0.0.1:0", TLSCert: q.Cert, TLSKey: q.Key, ClientCA: q.CA}},
		Access:    newAccess(t, access.Credential{Tenant: parseTenant(t, "b-team"), Subject: "CN=client"}),
	})
	if got := r.Addresses(); got[1] != tcpAddress {
		t.Errorf("the address is %s, it was %s", got[1], tcpAddress)
	}
	want(t, "the old certificate", tcpAddress, client.Options{CA: p.CA, Token: "alpha"}, "", codes.Unavailable)
	want(t, "a client's certificate", tcpAddress, client.Options{CA: q.CA, Cert: q.ClientCert, Key: q.ClientKey}, "b-team", codes.OK)
	want(t, "an old token", second, client.Options{Token: "alpha"}, "", codes.Unauthenticated)
	want(t, "the new socket", second, client.Options{}, "default", codes.OK)
	want(t, "the old socket", first, client.Options{}, "", codes.Unavailable)
	if _, err := os.Lstat(filepath.Join(dir, "1")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old socket is left: %v", err)
	}
	if _, err := watch.Recv(); err == nil {
		t.Error("whoever watches the health holds up an address that is no more")
	}
	configure(t, old)

	// The first address comes back while its old session is still open.
	r.change(t, Options{Listeners: []Listener{{Address: first, Anonymous: parseTenant(t, "c-team")}}})
	want(t, "the first socket again", first, client.Options{}, "c-team", codes.OK)
	configure(t, old)
	if err := old.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the old session: %v, want a clean end", err)
	}
}

// A change that is bad in one point changes nothing.
func TestBadChange(t *testing.T) {
	t.Parallel()
	p := newCertificates(t)
	dir := daemontest.SocketDir(t)
	first, second := "unix:"+filepath.Join(dir, "1"), "unix:"+filepath.Join(dir, "2")
	good := Options{Listeners: []Listener{{Address: first, Anonymous: tenant.Default}}}
	r := start(t, good, tellTenant)
	other := Listener{Address: second, Anonymous: tenant.Default}
	for name, tt := range map[string]struct {
		options Options
		want    string
	}{
		"a key that does not fit":  {Options{Listeners: []Listener{other, {Address: "127.0.0.1:0", TLSCert: p.Cert, TLSKey: p.ClientKey, Insecure: true, Anonymous: tenant.Default}}}, "read the TLS certificate"},
		"an address that is taken": {Options{Listeners: []Listener{other, {Address: "unix:" + dir, Anonymous: tenant.Default}}}, "no socket"},
		"nobody is let in":         {Options{Listeners: []Listener{other, {Address: first}}}, "nobody could open"},
		"what can't change":        {Options{Listeners: []Listener{other}, MaxMessage: 1 << 20}, "max_message can't change"},
		"nonsense":                 {Options{Listeners: []Listener{other}, DrainTimeout: -time.Second}, "below 0"},
	} {
		if _, err := r.Prepare(tt.options); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
		want(t, name, first, client.Options{}, "default", codes.OK)
		if _, err := os.Lstat(filepath.Join(dir, "2")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the new socket is left: %v", name, err)
		}
	}
	// A change that is found good and given up leaves nothing either.
	c, err := r.Prepare(Options{Listeners: []Listener{other}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Discard(); err != nil {
		t.Error(err)
	}
	want(t, "after a change that was given up", first, client.Options{}, "default", codes.OK)
	if _, err := os.Lstat(filepath.Join(dir, "2")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the new socket is left: %v", err)
	}
}
