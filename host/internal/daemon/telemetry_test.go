package daemon

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/admin/sessions"
	"github.com/provisor/provisor/host/internal/daemontest"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

const telemetryBlock = "telemetry {\n  listen = \"localhost:0\"\n}\n"

// get asks the daemon over HTTP.
func (r *running) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	resp, err := http.Get("http://" + r.TelemetryAddress() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// scrape returns all samples by name and labels: `name{a="b"}`. Of histograms there is NAME_count.
func (r *running) scrape(t *testing.T) map[string]float64 {
	t.Helper()
	status, body := r.get(t, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics: %d %s", status, body)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	samples := make(map[string]float64)
	for name, family := range families {
		for _, m := range family.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			key := name
			if len(labels) > 0 {
				key += "{" + strings.Join(labels, ",") + "}"
			}
			switch {
			case m.Counter != nil:
				samples[key] = m.Counter.GetValue()
			case m.Gauge != nil:
				samples[key] = m.Gauge.GetValue()
			case m.Histogram != nil:
				samples[strings.Replace(key, name, name+"_count", 1)] = float64(m.Histogram.GetSampleCount())
			}
		}
	}
	return samples
}

// eventually waits for what happens just after a session's end.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	if !daemontest.Soon(ok) {
		t.Fatal("not in time: " + what)
	}
}

func (r *running) dial(t *testing.T, token string) *client.Client {
	t.Helper()
	c, err := client.Dial(r.Addresses()[0], client.Options{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestMetrics runs sessions that end in all sorts of ways, and reads what is counted.
func TestMetrics(t *testing.T) {
	r := start(t, telemetryBlock+"limits {\n  log_bytes = 1000\n  program_runs = 2\n}\n"+twoTenants("  sessions = 1"))
	a, b := r.dial(t, "alpha"), r.dial(t, "beta")
	if err := visit(t.Context(), b, "on plan\n  run terraform plan\n  run terraform "+strings.Repeat("x", 100)+"\n  log info "+strings.Repeat("y", 1000)+"\n"); err != nil {
		t.Fatal(err)
	}
	if err := visit(t.Context(), b, "on plan\n  error no\n"); err == nil {
		t.Error("an error is none")
	}
	if err := visit(t.Context(), b, "on plan\n  trap\n"); err == nil {
		t.Error("a trap is none")
	}
	s, err := a.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Configure(&pb.Config{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: daemontest.EchoTemplate("")}}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := visit(t.Context(), a, ""); err == nil {
		t.Error("a session too many")
	}
	for i := range 20 {
		if err := visit(t.Context(), r.dial(t, fmt.Sprint("wrong-", i)), ""); err == nil {
			t.Error("a wrong token is let in")
		}
	}
	want := map[string]float64{
		`provisor_sessions_total{outcome="canceled",plugin="echo",tenant="team-b"}`: 3,
		`provisor_sessions_total{outcome="quota",plugin="",tenant="team-a"}`:        1,
		`provisor_sessions_open{tenant="team-a"}`:                                   1,
		`provisor_sessions_open{tenant="team-b"}`:                                   0,
		`provisor_requests_total{kind="plan",outcome="ok",tenant="team-b"}`:         1,
		`provisor_requests_total{kind="plan",outcome="failed",tenant="team-b"}`:     1,
		`provisor_requests_total{kind="plan",outcome="crashed",tenant="team-b"}`:    1,
		`provisor_requests_total{kind="init",outcome="ok",tenant="team-a"}`:         1,
		`provisor_request_duration_seconds_count{kind="plan"}`:                      3,
		`provisor_program_runs_total{command="plan",outcome="ok"}`:                  1,
		`provisor_program_runs_total{command="other",outcome="ok"}`:                 1,
		`provisor_limit_hits_total{limit="log_bytes",tenant="team-b"}`:              1,
		`provisor_limit_hits_total{limit="sessions",tenant="team-a"}`:               1,
		`provisor_streams_refused_total{reason="unauthenticated"}`:                  20,
		`provisor_streams_refused_total{reason="max_streams"}`:                      0,
		`provisor_instances`:                       1,
		`provisor_states_kept`:                     0,
		`provisor_reloads_total{outcome="failed"}`: 0,
		`provisor_queue_wait_seconds_count`:        float64(1 + 3 + 2 + 2),
	}
	var got map[string]float64
	daemontest.Soon(func() bool { // a client hears of the end before it is counted
		got = r.scrape(t)
		for sample, n := range want {
			if got[sample] != n {
				return false
			}
		}
		return true
	})
	for sample, n := range want {
		if got[sample] != n {
			t.Errorf("%s is %v, want %v", sample, got[sample], n)
		}
	}
	for _, sample := range []string{
		`provisor_guest_cpu_seconds_total{plugin="echo",tenant="team-b"}`, `provisor_supervisor_cpu_seconds_total`, `provisor_queue_slots`, `provisor_disk_free_bytes`, `provisor_disk_free_floor_bytes`,
	} {
		if got[sample] <= 0 {
			t.Errorf("%s is %v", sample, got[sample])
		}
	}
	builds := 0
	for sample := range got {
		if strings.HasPrefix(sample, "provisor_build_info{") && strings.Contains(sample, `version="1.2.3"`) {
			builds++
		}
		if strings.Contains(sample, "xxx") || strings.Contains(sample, "wrong") {
			t.Errorf("a client has made a label: %s", sample)
		}
	}
	if builds != 1 {
		t.Error("no build is named")
	}
	r.write(t, telemetryBlock+"nonsense = 1\n"+twoTenants(""))
	if err := r.Reload(t.Context()); err == nil {
		t.Error("nonsense was loaded")
	}
	if got := r.scrape(t)[`provisor_reloads_total{outcome="failed"}`]; got != 1 {
		t.Errorf("%v reloads have failed", got)
	}
	if status, _ := r.get(t, "/debug/pprof/"); status != http.StatusNotFound {
		t.Errorf("profiles are answered with %d where anybody may ask", status)
	}
}

func TestHealth(t *testing.T) {
	r := start(t, telemetryBlock+"drain_timeout = \"1m\"\n"+twoTenants(""))
	check := func(path string, status int, text string) {
		t.Helper()
		if got, body := r.get(t, path); got != status || !strings.Contains(body, text) {
			t.Errorf("%s: got %d %s, want %d and %q", path, got, body, status, text)
		}
	}
	eventually(t, "the daemon is ready", func() bool { status, _ := r.get(t, "/readyz"); return status == http.StatusOK })
	check("/healthz", 200, `{"ok":true}`)
	check("/readyz", 200, `{"ok":true}`)
	engine := r.engine
	if err := os.Chmod(engine, 0o600); err != nil {
		t.Fatal(err)
	}
	check("/readyz", 503, "engine")
	if _, body := r.get(t, "/readyz"); strings.Contains(body, r.dir) {
		t.Errorf("anybody is told paths: %s", body)
	}
	check("/healthz", 200, `{"ok":true}`)
	if err := os.Chmod(engine, 0o700); err != nil {
		t.Fatal(err)
	}
	check("/readyz", 200, `{"ok":true}`)
	// A session keeps the daemon from ending while it drains.
	s, err := r.dial(t, "alpha").Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Configure(&pb.Config{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the session is open", func() bool { return len(r.open.List()) == 1 })
	r.Drain()
	eventually(t, "the daemon is not ready any more", func() bool { status, _ := r.get(t, "/readyz"); return status == http.StatusServiceUnavailable })
	check("/readyz", 503, "server")
	check("/healthz", 200, `{"ok":true}`)
}

// A full disk makes the daemon unready, and its applies refused.
func TestReadyWithoutRoom(t *testing.T) {
	r := start(t, telemetryBlock+"min_free = \"1EiB\"\n"+twoTenants(""))
	eventually(t, "the server is ready", func() bool { _, body := r.get(t, "/readyz"); return !strings.Contains(body, "server") })
	if status, body := r.get(t, "/readyz"); status != 503 || !strings.Contains(body, "min_free") {
		t.Errorf("got %d %s", status, body)
	}
}

// TestCancelSession has an operator cancel one of two sessions: its request is canceled and answered, and the other one goes on.
func TestCancelSession(t *testing.T) {
	r := start(t, "audit {\n  file = \"audit.log\"\n}\n"+"concurrency = 4\n"+twoTenants(""))
	c := r.dial(t, "alpha")
	run := func() chan error {
		ended := make(chan error, 1)
		go func() { ended <- visit(context.WithoutCancel(t.Context()), c, "on plan\n  cancel fail\n  sleep 5m\n") }()
		return ended
	}
	first := run()
	var list []sessions.Info
	eventually(t, "the first one plans", func() bool { list = r.open.List(); return len(list) == 1 && list[0].Request == "plan" })
	if got := list[0]; got.Tenant != "team-a" || got.Plugin != "echo" || got.Version == "" || got.Waiting || got.Since.Before(got.Began) {
		t.Errorf("got %+v", got)
	}
	second := run()
	eventually(t, "both plan", func() bool { list = r.open.List(); return len(list) == 2 && list[1].Request == "plan" })
	if _, err := r.open.Cancel("nothing"); err == nil || !strings.Contains(err.Error(), "there is no session") {
		t.Errorf("got %v", err)
	}
	if _, err := r.open.Cancel(""); err == nil {
		t.Error("nothing was canceled")
	}
	if i, err := r.open.Cancel(list[0].ID[:8]); err != nil || i.ID != list[0].ID || !i.Canceled || i.Request != "plan" {
		t.Errorf("got %+v, %v", i, err)
	}
	if err := <-first; err == nil || !strings.Contains(err.Error(), "cancel") {
		t.Errorf("the canceled session: %v", err)
	}
	line := auditLines(t, filepath.Join(r.dir, "audit.log"), 1)[0]
	if line["outcome"] != "stopped" || line["session"] != list[0].ID {
		t.Errorf("the session left %v", line)
	}
	eventually(t, "only the other one is left", func() bool { left := r.open.List(); return len(left) == 1 && left[0].ID == list[1].ID })
	select {
	case err := <-second:
		t.Errorf("the other session has ended: %v", err)
	default:
	}
	if _, err := r.open.Cancel(list[1].ID); err != nil {
		t.Error(err)
	}
	<-second
	eventually(t, "none is left", func() bool { return len(r.open.List()) == 0 })
}
