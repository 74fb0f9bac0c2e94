package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/admin/sessions"
	"github.com/provisor/provisor/host/internal/config"
	"github.com/provisor/provisor/host/internal/daemontest"
	_ "github.com/provisor/provisor/host/internal/sandbox/compiler/compilertest"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a daemon over the echo plugin that serves until the test ends.
type running struct {
	*Daemon
	*daemontest.Serving
	dir, engine string
	log         *daemontest.Log
	open        *sessions.Table
}

// start serves what the configuration says, with the echo plugin and what passes for an engine. SOCKET in it is a socket.
func start(t *testing.T, source string) *running {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	// The plugin may run an engine, and these sessions don't.
	engine := filepath.Join(t.TempDir(), "terraform")
	if err := os.WriteFile(engine, []byte("#!/bin/sh\necho Terraform v1.1.1\n[ \"$1\" = version ] || echo TRACEPARENT=$TRACEPARENT\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return startWith(t, source, "../../../plugins/echo", engine, func(dir string) {
		if err := os.WriteFile(filepath.Join(dir, "headers"), []byte("authorization: Bearer for-the-collector\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	})
}

// startWith serves what the configuration says. before is called with its directory, to put there what it names.
func startWith(t *testing.T, source, plugin, engine string, before func(dir string)) *running {
	t.Helper()
	dir := daemontest.SocketDir(t)
	r := &running{dir: dir, engine: engine, log: new(daemontest.Log), open: sessions.NewTable()}
	before(dir)
	r.write(t, source)
	c, err := config.Load(r.file())
	if err != nil {
		t.Fatal(err)
	}
	r.Daemon, err = Open(t.Context(), c, Options{
		Runtime: host.Options{Plugin: filepath.FromSlash(plugin), DataDir: filepath.Join(dir, "data"), Plugins: filepath.Join(dir, "data", "plugins"), Engine: engine, Observer: r.open},
		Output:  r.log, Version: "1.2.3",
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Serving = daemontest.Serve(t, r.Serve, r.Close)
	return r
}

func (r *running) file() string { return filepath.Join(r.dir, "provisor.hcl") }

func (r *running) write(t *testing.T, source string) {
	t.Helper()
	source = strings.ReplaceAll(source, "SOCKET", "unix:"+filepath.Join(r.dir, "s"))
	if err := os.WriteFile(r.file(), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
}

// visit runs a session from Init to Graph.
func visit(ctx context.Context, c *client.Client, script string) error {
	s, err := c.Open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Configure(&pb.Config{}); err != nil {
		return err
	}
	for _, request := range []*pb.Request{
		{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: daemontest.EchoTemplate(script)}}},
		{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}},
		{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{}}},
	} {
		answer, err := s.Do(ctx, request, nil)
		if err != nil {
			return err
		}
		if text := client.ErrorOf(answer); text != "" {
			return fmt.Errorf("%T: %s", request.Type, text)
		}
	}
	return nil
}

const (
	aHash = "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8" // of "alpha"
	bHash = "f44e64e75f3948e9f73f8dfa94721c4ce8cbb4f265c4790c702b2d41cfbf2753" // of "beta"
)

func twoTenants(settings string) string {
	return `
listen "SOCKET" {}
tenant "team-a" {
  token_sha256 = ["` + aHash + `"]
` + settings + `
}
tenant "team-b" {
  token_sha256 = ["` + bHash + `"]
}
`
}

// TestReloadUnderLoad reloads 50 times, every other time a file that is bad, while two tenants run 500 sessions.
func TestReloadUnderLoad(t *testing.T) {
	sessions, reloads := 500, 50
	if testing.Short() {
		sessions, reloads = 50, 5
	}
	r := start(t, "concurrency = 8\nmax_streams = 1000\n"+twoTenants(""))
	var clients []*client.Client
	for _, token := range []string{"alpha", "beta"} {
		c, err := client.Dial(r.Addresses()[0], client.Options{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	var done atomic.Int64
	var load sync.WaitGroup
	for i := range 8 {
		load.Go(func() {
			for n := i; n < sessions; n += 8 {
				if err := visit(t.Context(), clients[n%2], "on plan\n  log info hello\n"); err != nil {
					t.Errorf("session %d: %v", n, err)
				}
				done.Add(1)
			}
		})
	}
	good, bad := 0, 0
	for i := range reloads {
		// Spread over the load, however fast the machine is.
		for done.Load() < int64(i*sessions/reloads) {
			if t.Failed() {
				break
			}
			if err := visit(t.Context(), clients[0], ""); err != nil {
				t.Errorf("a session beside: %v", err)
			}
		}
		if i%2 == 0 {
			r.write(t, fmt.Sprintf("concurrency = %d\nmax_streams = 1000\n", 4+i%5)+twoTenants(fmt.Sprintf("  env = { N = \"%d\" }\n  weight = %d", i, 1+i%3)))
			if err := r.Reload(t.Context()); err != nil {
				t.Errorf("reload %d: %v", i, err)
			}
			good++
			continue
		}
		r.write(t, "max_streams = 1\n"+twoTenants("  engine = \"none\""))
		if err := r.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), `there is no engine "none"`) {
			t.Errorf("reload %d of a bad file: %v", i, err)
		}
		bad++
	}
	load.Wait()
	t.Logf("%d sessions with %d reloads of good files and %d of bad ones", done.Load(), good, bad)
}

// A change that the daemon can't make while it runs is refused whole.
func TestRefusedReload(t *testing.T) {
	r := start(t, twoTenants(""))
	visitAs := func(token string) error {
		c, err := client.Dial(r.Addresses()[0], client.Options{Token: token})
		if err != nil {
			return err
		}
		defer c.Close()
		return visit(t.Context(), c, "")
	}
	onlyB := strings.Replace(twoTenants(""), aHash, bHash[:62]+"00", 1)
	for setting, want := range map[string]string{
		"data_dir = \"elsewhere\"\n":                    "data_dir can't change",
		"max_message = \"1MiB\"\n":                      "max_message can't change",
		"log {\n  format = \"json\"\n}\n":               "the log's format can't change",
		"engine \"x\" {\n  path = \"/etc/passwd\"\n}\n": "/etc/passwd",
		"listen \"unix:/etc/passwd\" {}\n":              "no socket",
		"limits {\n  module_bytes = \"64KiB\"\n}\n":     "module_bytes",
	} {
		r.write(t, setting+onlyB)
		if err := r.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", setting, err, want)
		}
		if err := visitAs("alpha"); err != nil {
			t.Errorf("after %q: %v", setting, err)
		}
	}
	if text := r.log.String(); !strings.Contains(text, "was not reloaded, the old one stays") {
		t.Errorf("the log does not say so:\n%s", text)
	}
	r.write(t, onlyB)
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := visitAs("alpha"); err == nil || !strings.Contains(err.Error(), "Unauthenticated") {
		t.Errorf("a token that is gone: %v", err)
	}
	if err := visitAs("beta"); err != nil {
		t.Errorf("a token that is still there: %v", err)
	}
}
