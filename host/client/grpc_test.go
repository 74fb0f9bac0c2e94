package client_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/provisor/provisor/host/client"
)

// That Dial reaches a server in every way is tested with the server.

func TestDialRefuses(t *testing.T) {
	noPEM := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(noPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, address string
		options       client.Options
		want          string
	}{
		{"no address", "nowhere", client.Options{}, "want unix:PATH or HOST:PORT"},
		{"key without certificate", "localhost:1", client.Options{Key: "x"}, "give both"},
		{"insecure with a CA", "localhost:1", client.Options{CA: "x", Insecure: true}, "leave out one or the other"},
		{"no CA file", "localhost:1", client.Options{CA: "/does/not/exist"}, "read the CA"},
		{"CA that is none", "localhost:1", client.Options{CA: noPEM}, "no certificate in PEM form"},
		{"certificate that is none", "localhost:1", client.Options{Cert: noPEM, Key: noPEM}, "read the certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := client.Dial(tt.address, tt.options)
			if err == nil {
				c.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
}

func TestDefaultSocketOfSomebodyElse(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if _, err := client.Dial("", client.Options{}); err == nil {
		t.Error("there is no directory, and no error")
	}
	if err := os.Mkdir(filepath.Join(dir, "provisor"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "provisor"), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Dial("", client.Options{}); err == nil || !strings.Contains(err.Error(), "written by others") {
		t.Errorf("got %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	c, err := client.Dial(filepath.Join(t.TempDir(), "s"), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.Open(t.Context())
	if err == nil {
		_, err = s.Recv()
	}
	var g interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &g) || g.GRPCStatus().Code() != codes.Unavailable {
		t.Errorf("got %v, want UNAVAILABLE", err)
	}
}
