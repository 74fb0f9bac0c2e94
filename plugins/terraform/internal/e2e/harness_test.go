package e2e

import (
	"context"
	"testing"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/client/template"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// newRuntime is a runtime of the compiled plugin, with the engine at that path. What takes long to make is in the user's cache.
func newRuntime(t testing.TB, engine string, settings map[string]string, exposed ...string) *host.Runtime {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector is on")
	}
	return openRuntime(t, host.Options{
		PluginSettings: settings, Engine: engine, DataDir: t.TempDir(), Concurrency: 16, Jail: host.JailOptions{Expose: exposed},
	})
}

// openRuntime is a runtime of the plugin until the test's end.
func openRuntime(t testing.TB, o host.Options) *host.Runtime {
	t.Helper()
	o.Plugin = "../.."
	r, err := host.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// open opens a session in the runtime and sends its Config.
func open(t testing.TB, r *host.Runtime) *client.Session {
	t.Helper()
	s := client.NewSession(client.InProcess(context.Background(), func(ctx context.Context, s client.Stream) error {
		return r.Session(ctx, host.DefaultTenant, s)
	}))
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Configure(&pb.Config{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// do asks for the request's Complete; what the session logs is the test's log if the test fails.
func do(t testing.TB, s *client.Session, req *pb.Request) *pb.Response {
	t.Helper()
	resp, err := s.Do(context.Background(), req, func(l *pb.Log) { t.Logf("%s %s", l.Level, l.Output) })
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// succeed is do for a request that must not fail.
func succeed(t testing.TB, s *client.Session, req *pb.Request) *pb.Response {
	t.Helper()
	resp := do(t, s, req)
	if text := client.ErrorOf(resp); text != "" {
		t.Fatalf("%T: %s", resp.Type, text)
	}
	return resp
}

func initRequest(t testing.TB, dir string) *pb.Request {
	t.Helper()
	archive, err := template.Pack(dir, template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return initRequestOf(archive)
}

func initRequestOf(archive []byte) *pb.Request {
	return &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: archive}}}
}

func planRequest(p *pb.PlanRequest) *pb.Request {
	return &pb.Request{Type: &pb.Request_Plan{Plan: p}}
}

func applyRequest(a *pb.ApplyRequest) *pb.Request {
	return &pb.Request{Type: &pb.Request_Apply{Apply: a}}
}

func graphRequest(source pb.GraphSource) *pb.Request {
	return &pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{Source: source}}}
}
