package telemetry

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/provisor/provisor/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStart(t *testing.T) {
	for address, want := range map[string]string{
		"0.0.0.0:0": "listen on localhost", ":0": "listen on localhost", "example.com:1": "listen on localhost", "nothing": "want unix:PATH or HOST:PORT",
	} {
		if _, err := Start(Options{Listen: address}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", address, err, want)
		}
	}
	tele, err := Start(Options{Listen: "localhost:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tele.Close(); err != nil {
			t.Error(err)
		}
	}()
	defer http.DefaultClient.CloseIdleConnections()
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get("http://" + tele.Address() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	if status, body := get("/readyz"); status != 503 || !strings.Contains(body, "starting") {
		t.Errorf("before anything is watched: %d %s", status, body)
	}
	if status, body := get("/metrics"); status != 200 || strings.Contains(body, "provisor_instances") {
		t.Errorf("before anything is watched: %d, and there are instances", status)
	}
	tele.Watch(Watched{Status: func() host.Status { return host.Status{Instances: 7} }, Ready: func() []string { return nil }})
	if status, _ := get("/readyz"); status != 200 {
		t.Errorf("ready: %d", status)
	}
	if _, body := get("/metrics"); !strings.Contains(body, "\nprovisor_instances 7\n") {
		t.Error("instances are not counted")
	}
	if status, _ := get("/"); status != 404 {
		t.Errorf("/: %d", status)
	}
	if _, err := Start(Options{Listen: tele.Address()}); err == nil {
		t.Error("two at one address")
	}
	other, err := Start(Options{Listen: "unix:" + filepath.Join(t.TempDir(), "m")})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
}
