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
	p := newPKI(t)
	tokens := tokenFile(t, map[string]string{"alpha": "a-team", "plain": ""})
	tcp := "127.0.0.1:0"
	for _, tt := range []struct {
		name   string
		server Options
		client client.Options
		want   codes.Code
		tenant string
	}{
		{"socket", Options{}, client.Options{}, codes.OK, "default"},
		{"socket with a token", Options{TokenFile: tokens}, client.Options{Token: "alpha"}, codes.OK, "a-team"},
		{"socket without its token", Options{TokenFile: tokens}, client.Options{}, codes.Unauthenticated, ""},
		{"insecure", Options{Listen: tcp, Insecure: true}, client.Options{Insecure: true}, codes.OK, "default"},
		{"token", Options{Listen: tcp, TokenFile: tokens}, client.Options{Insecure: true, Token: "plain"}, codes.OK, "default"},
		{"wrong token", Options{Listen: tcp, TokenFile: tokens}, client.Options{Insecure: true, Token: "plainer"}, codes.Unauthenticated, ""},
		{"token and TLS", Options{Listen: tcp, TokenFile: tokens, TLSCert: p.Cert, TLSKey: p.Key}, client.Options{CA: p.CA, Token: "alpha"}, codes.OK, "a-team"},
		{"no token and TLS", Options{Listen: tcp, TokenFile: tokens, TLSCert: p.Cert, TLSKey: p.Key}, client.Options{CA: p.CA}, codes.Unauthenticated, ""},
		{"certificate", Options{Listen: tcp, ClientCA: p.CA, TLSCert: p.Cert, TLSKey: p.Key}, client.Options{CA: p.CA, Cert: p.ClientCert, Key: p.ClientKey}, codes.OK, "default"},
		{"no certificate", Options{Listen: tcp, ClientCA: p.CA, TLSCert: p.Cert, TLSKey: p.Key}, client.Options{CA: p.CA}, codes.Unavailable, ""},
		{"unknown server", Options{Listen: tcp, Insecure: true, TLSCert: p.Cert, TLSKey: p.Key}, client.Options{}, codes.Unavailable, ""},
		{"no TLS", Options{Listen: tcp, Insecure: true, TLSCert: p.Cert, TLSKey: p.Key}, client.Options{Insecure: true}, codes.Unavailable, ""},
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
	p := newPKI(t)
	tcp := "127.0.0.1:0"
	for _, tt := range []struct {
		name    string
		options Options
		want    string
	}{
		{"open to all", Options{Listen: tcp}, "give a token file"},
		{"TLS lets everybody in", Options{Listen: tcp, TLSCert: p.Cert, TLSKey: p.Key}, "give a token file"},
		{"certificate without key", Options{TLSCert: p.Cert}, "give both"},
		{"client CA without TLS", Options{Listen: tcp, ClientCA: p.CA}, "certificate and key itself"},
		{"key of another", Options{Listen: tcp, Insecure: true, TLSCert: p.Cert, TLSKey: p.ClientKey}, "read the TLS certificate"},
		{"CA that is none", Options{Listen: tcp, ClientCA: p.Key, TLSCert: p.Cert, TLSKey: p.Key}, "no certificate in PEM form"},
		{"a limit below 0", Options{Listen: tcp, Insecure: true, MaxMessage: -1}, "below 0"},
		{"no token file", Options{Listen: tcp, TokenFile: "/does/not/exist"}, "read the tokens"},
		{"no address", Options{Listen: "nowhere"}, "want unix:PATH or HOST:PORT"},
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
		srv, err := Listen(Options{Listen: "unix:" + path}, echo)
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
		dir := filepath.Join(socketDir(t), "deep", "down")
		if err := open(t, filepath.Join(dir, "s")); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("directory: %v, %v, want 0700", info.Mode(), err)
		}
	})
	t.Run("stale", func(t *testing.T) {
		path := filepath.Join(socketDir(t), "s")
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
		path := filepath.Join(socketDir(t), "s")
		start(t, Options{Listen: path}, echo)
		wantError(t, open(t, path), "another daemon listens there")
	})
	t.Run("in use by a stranger", func(t *testing.T) {
		path := filepath.Join(socketDir(t), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		wantError(t, open(t, path), "another program listens there")
	})
	t.Run("a file", func(t *testing.T) {
		path := filepath.Join(socketDir(t), "s")
		writeFile(t, path, "precious")
		wantError(t, open(t, path), "no socket")
		if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
			t.Errorf("the file is gone: %q, %v", b, err)
		}
	})
	t.Run("a directory that others write", func(t *testing.T) {
		dir := socketDir(t)
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		wantError(t, open(t, filepath.Join(dir, "s")), "may be written by others")
	})
	t.Run("a long path", func(t *testing.T) {
		wantError(t, open(t, filepath.Join(socketDir(t), strings.Repeat("x", 120))), "about 100 bytes")
	})
}

func TestTokens(t *testing.T) {
	t.Parallel()
	const hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b" // of "secret"
	for _, tt := range []struct {
		name, file, want string
	}{
		{"one", hash, ""},
		{"as sha256sum writes it", hash + "  -\n", ""},
		{"upper case", strings.ToUpper(hash), ""},
		{"comments and blanks", "# ours\n\n  " + hash + " team  \r\n", ""},
		{"empty", "", "no token"},
		{"only comments", "# none\n", "no token"},
		{"the token itself", "secret", "line 1: want the SHA-256"},
		{"too short", hash[:62], "want the SHA-256"},
		{"too long", hash + "00", "want the SHA-256"},
		{"odd", hash + "0", "want the SHA-256"},
		{"not hexadecimal", "z" + hash[1:], "want the SHA-256"},
		{"bad tenant", "\n" + hash + " ../x", "line 2: tenant name"},
		{"too many words", hash + " a b", "3 words"},
		{"the empty token", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "empty token"},
		{"a huge file", strings.Repeat("# "+strings.Repeat("x", 1000)+"\n", 3000), "more than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ts, err := parseTokens(strings.NewReader(tt.file))
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want it to say %q", err, tt.want)
				}
				if err != nil && strings.Contains(err.Error(), "secret") {
					t.Errorf("the message gives a token away: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := ts.find("secret"); !ok {
				t.Error("the token is not found")
			}
			if _, ok := ts.find("Secret"); ok {
				t.Error("another token is found")
			}
			if _, ok := ts.find(""); ok {
				t.Error("the empty token is found")
			}
		})
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b team\n")
	f.Add("# comment\n\n")
	f.Fuzz(func(t *testing.T, file string) {
		ts, err := parseTokens(strings.NewReader(file))
		if (err == nil) != (len(ts) > 0) {
			t.Errorf("%d tokens and the error %v", len(ts), err)
		}
		if _, ok := ts.find(""); ok {
			t.Error("the empty token opens sessions")
		}
	})
}
