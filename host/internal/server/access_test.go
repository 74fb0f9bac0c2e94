package server

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/access"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/host/internal/tenant"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// tellTenant logs the tenant's name onto the stream.
func tellTenant(_ context.Context, tn tenant.Tenant, s session.Stream) error {
	// Response.log.output
	name := tn.Name()
	return s.Send(append([]byte{0x0a, byte(len(name) + 2), 0x12, byte(len(name))}, name...))
}

func TestAccess(t *testing.T) {
	t.Parallel()
	p := newCertificates(t)
	tokens := known(t, map[string]string{"alpha": "a-team", "plain": "default"})
	byName := newAccess(t, access.Credential{Tenant: parseTenant(t, "a-team"), Subject: "CN=client"})
	tcp := "127.0.0.1:0"
	tls := Listener{Address: tcp, TLSCert: p.Cert, TLSKey: p.Key}
	mutual := Listener{Address: tcp, TLSCert: p.Cert, TLSKey: p.Key, ClientCA: p.CA}
	optional := Listener{Address: tcp, TLSCert: p.Cert, TLSKey: p.Key, ClientCA: p.CA, CertificateOptional: true}
	withCert := client.Options{CA: p.CA, Cert: p.ClientCert, Key: p.ClientKey}
	for _, tt := range []struct {
		name   string
		server Options
		client client.Options
		want   codes.Code
		tenant string
	}{
		{"socket", Options{}, client.Options{}, codes.OK, "default"},
		{"socket with a token", Options{Access: tokens}, client.Options{Token: "alpha"}, codes.OK, "a-team"},
		{"socket with a wrong token", Options{Access: tokens}, client.Options{Token: "beta"}, codes.Unauthenticated, ""},
		{"socket with a token that nobody has", Options{}, client.Options{Token: "alpha"}, codes.Unauthenticated, ""},
		{"anonymous", Options{Listeners: []Listener{{Anonymous: parseTenant(t, "guests")}}, Access: tokens}, client.Options{}, codes.OK, "guests"},
		{"socket without its token", Options{Listeners: []Listener{{}}, Access: tokens}, client.Options{}, codes.Unauthenticated, ""},
		{"insecure", Options{Listeners: []Listener{{Address: tcp, Insecure: true, Anonymous: tenant.Default}}}, client.Options{Insecure: true}, codes.OK, "default"},
		{"token", Options{Listeners: []Listener{{Address: tcp}}, Access: tokens}, client.Options{Insecure: true, Token: "plain"}, codes.OK, "default"},
		{"wrong token", Options{Listeners: []Listener{{Address: tcp}}, Access: tokens}, client.Options{Insecure: true, Token: "plainer"}, codes.Unauthenticated, ""},
		{"token and TLS", Options{Listeners: []Listener{tls}, Access: tokens}, client.Options{CA: p.CA, Token: "alpha"}, codes.OK, "a-team"},
		{"no token and TLS", Options{Listeners: []Listener{tls}, Access: tokens}, client.Options{CA: p.CA}, codes.Unauthenticated, ""},
		{"certificate", Options{Listeners: []Listener{mutual}, Access: byName}, withCert, codes.OK, "a-team"},
		{"certificate of nobody", Options{Listeners: []Listener{mutual}, Access: tokens}, withCert, codes.Unauthenticated, ""},
		{"certificate and token", Options{Listeners: []Listener{mutual}, Access: tokens}, client.Options{CA: p.CA, Cert: p.ClientCert, Key: p.ClientKey, Token: "alpha"}, codes.OK, "a-team"},
		{"certificate of anybody", Options{Listeners: []Listener{{Address: tcp, TLSCert: p.Cert, TLSKey: p.Key, ClientCA: p.CA, Anonymous: tenant.Default}}}, withCert, codes.OK, "default"},
		{"no certificate", Options{Listeners: []Listener{mutual}, Access: byName}, client.Options{CA: p.CA}, codes.Unavailable, ""},
		{"certificate where none is needed", Options{Listeners: []Listener{optional}, Access: byName}, withCert, codes.OK, "a-team"},
		{"neither certificate nor token", Options{Listeners: []Listener{optional}, Access: byName}, client.Options{CA: p.CA}, codes.Unauthenticated, ""},
		{"unknown server", Options{Listeners: []Listener{tls}, Access: tokens}, client.Options{Token: "alpha"}, codes.Unavailable, ""},
		{"no TLS", Options{Listeners: []Listener{tls}, Access: tokens}, client.Options{Insecure: true, Token: "alpha"}, codes.Unavailable, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, tt.server, tellTenant)
			s, err := r.dial(t, tt.client).Open(t.Context())
			var resp *pb.Response
			if err == nil {
				resp, err = s.Recv()
			}
			var code codes.Code
			if err != nil {
				var g interface{ GRPCStatus() *status.Status }
				if !errors.As(err, &g) {
					t.Fatal(err)
				}
				code = g.GRPCStatus().Code()
			}
			if code != tt.want || resp.GetLog().GetOutput() != tt.tenant {
				t.Errorf("got %s and tenant %q (%v), want %s and %q", code, resp.GetLog().GetOutput(), err, tt.want, tt.tenant)
			}
		})
	}
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	p := newCertificates(t)
	byName := newAccess(t, access.Credential{Tenant: tenant.Default, Subject: "CN=client"})
	of := func(listeners ...Listener) Options { return Options{Listeners: listeners} }
	tcp, socket := "127.0.0.1:0", filepath.Join(daemontest.SocketDir(t), "s")
	for _, tt := range []struct {
		name    string
		options Options
		want    string
	}{
		{"open to all", of(Listener{Address: tcp, Anonymous: tenant.Default}), "give a token file"},
		{"TLS lets everybody in", of(Listener{Address: tcp, TLSCert: p.Cert, TLSKey: p.Key, Anonymous: tenant.Default}), "give a token file"},
		{"a certificate that need not be", of(Listener{Address: tcp, TLSCert: p.Cert, TLSKey: p.Key, ClientCA: p.CA, CertificateOptional: true, Anonymous: tenant.Default}), "give a token file"},
		{"nobody is known", of(Listener{Address: tcp, TLSCert: p.Cert, TLSKey: p.Key}), "nobody could open a session"},
		{"nobody asks for certificates", Options{Listeners: []Listener{{Address: tcp, TLSCert: p.Cert, TLSKey: p.Key}}, Access: byName}, "nobody could open a session"},
		{"certificate without key", of(Listener{TLSCert: p.Cert}), "give both"},
		{"client CA without TLS", of(Listener{Address: tcp, ClientCA: p.CA}), "certificate and key itself"},
		{"key of another", of(Listener{Address: tcp, Insecure: true, Anonymous: tenant.Default, TLSCert: p.Cert, TLSKey: p.ClientKey}), "read the TLS certificate"},
		{"CA that is none", of(Listener{Address: tcp, Anonymous: tenant.Default, ClientCA: p.Key, TLSCert: p.Cert, TLSKey: p.Key}), "no certificate in PEM form"},
		{"a limit below 0", Options{MaxMessage: -1}, "below 0"},
		{"no address", of(Listener{Address: "nowhere"}), "want unix:PATH or HOST:PORT"},
		{"an address twice", of(Listener{Address: socket, Anonymous: tenant.Default}, Listener{Address: socket, Anonymous: tenant.Default}), "listed twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv, err := Listen(tt.options, echo)
			if err == nil {
				srv.Close()
				t.Fatalf("got no error, want %q", tt.want)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want it to say %q", err, tt.want)
			}
		})
	}
}

func TestSocket(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T, path string) error {
		t.Helper()
		srv, err := Listen(Options{Listeners: []Listener{{Address: "unix:" + path, Anonymous: tenant.Default}}}, echo)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 || info.Mode()&fs.ModeSocket == 0 {
			t.Errorf("mode %s, want a socket with 0600", info.Mode())
		}
		if err := srv.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is left: %v", err)
		}
		return nil
	}
	wantError := func(t *testing.T, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}

	t.Run("new directory", func(t *testing.T) {
		dir := filepath.Join(daemontest.SocketDir(t), "deep", "down")
		if err := open(t, filepath.Join(dir, "s")); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("directory: %v, %v, want 0700", info.Mode(), err)
		}
	})
	t.Run("stale", func(t *testing.T) {
		path := filepath.Join(daemontest.SocketDir(t), "s")
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
		if err := open(t, path); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("in use by a daemon", func(t *testing.T) {
		path := filepath.Join(daemontest.SocketDir(t), "s")
		start(t, Options{Listeners: []Listener{{Address: path, Anonymous: tenant.Default}}}, echo)
		wantError(t, open(t, path), "another daemon listens there")
	})
	t.Run("in use by a stranger", func(t *testing.T) {
		path := filepath.Join(daemontest.SocketDir(t), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		wantError(t, open(t, path), "another program listens there")
	})
	t.Run("a file", func(t *testing.T) {
		path := filepath.Join(daemontest.SocketDir(t), "s")
		writeFile(t, path, "precious")
		wantError(t, open(t, path), "no socket")
		if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
			t.Errorf("the file is gone: %q, %v", b, err)
		}
	})
	t.Run("a directory that others write", func(t *testing.T) {
		dir := daemontest.SocketDir(t)
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		wantError(t, open(t, filepath.Join(dir, "s")), "may be written by others")
	})
	t.Run("a long path", func(t *testing.T) {
		wantError(t, open(t, filepath.Join(daemontest.SocketDir(t), strings.Repeat("x", 120))), "about 100 bytes")
	})
}
