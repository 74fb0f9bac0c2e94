package endpoint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		address string
		want    Endpoint
		err     string
	}{
		{"unix:/run/x.sock", Endpoint{"unix", "/run/x.sock"}, ""},
		{"unix:///run/x.sock", Endpoint{"unix", "/run/x.sock"}, ""},
		{"/run/x.sock", Endpoint{"unix", "/run/x.sock"}, ""},
		{"./x.sock", Endpoint{"unix", filepath.Join(wd, "x.sock")}, ""},
		{"unix:x.sock", Endpoint{"unix", filepath.Join(wd, "x.sock")}, ""},
		{"localhost:7777", Endpoint{"tcp", "localhost:7777"}, ""},
		{":7777", Endpoint{"tcp", ":7777"}, ""},
		{"[::1]:7777", Endpoint{"tcp", "[::1]:7777"}, ""},
		{"tcp:10.0.0.1:1", Endpoint{"tcp", "10.0.0.1:1"}, ""},
		{"tcp://10.0.0.1:1", Endpoint{"tcp", "10.0.0.1:1"}, ""},
		{"unix:", Endpoint{}, "want unix:PATH"},
		{"localhost", Endpoint{}, "HOST:PORT"},
		{"localhost:", Endpoint{}, "HOST:PORT"},
		{"::1", Endpoint{}, "HOST:PORT"},
	} {
		t.Run(tt.address, func(t *testing.T) {
			got, err := Parse(tt.address)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want it to say %q", err, tt.err)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
			if again, err := Parse(got.String()); err != nil || again != got {
				t.Errorf("%s is read as %v, %v", got, again, err)
			}
		})
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"unix:/x": true, "localhost:1": true, "127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "example.com:1": false, "10.0.0.1:1": false,
	} {
		e, err := Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Loopback(); got != want {
			t.Errorf("%s: got %v, want %v", address, got, want)
		}
	}
}

func TestDefaultSocket(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	got, err := Parse("")
	if want := (Endpoint{"unix", "/run/user/7/provisor/provisor.sock"}); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	// A relative one is to be ignored, says the specification of the variable.
	t.Setenv("XDG_RUNTIME_DIR", "here")
	if got, err := DefaultSocket(); err != nil || !filepath.IsAbs(got) || strings.Contains(got, "here") {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestAdminSocket(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	for address, want := range map[string]string{
		"":               "/run/user/7/provisor/provisor-admin.sock",
		"unix:/a/socket": "/a/socket-admin.sock",
		"unix:/a/b.sock": "/a/b-admin.sock",
		"localhost:7070": "/run/user/7/provisor/provisor-admin.sock",
	} {
		e, err := Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.AdminSocket(); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", address, got, err, want)
		}
	}
}
