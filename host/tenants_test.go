package host_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	_ "github.com/provisor/provisor/host/internal/sandbox/compiler/compilertest"
	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// engineScript is an engine of that version that prints its environment.
func engineScript(t *testing.T, version string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	path := filepath.Join(t.TempDir(), "terraform")
	script := "#!/bin/sh\ncase \"$1\" in version) echo Terraform v" + version + ";; *) env | sort;; esac\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// session opens a session of the tenant.
func session(ctx context.Context, r *host.Runtime, t host.Tenant) *client.Session {
	return client.NewSession(client.InProcess(ctx, func(ctx context.Context, s client.Stream) error { return r.Session(ctx, t, s) }))
}

// visit runs one session of the tenant with that template: its Init and a Plan. It returns what was logged.
func visit(ctx context.Context, r *host.Runtime, t host.Tenant, archive []byte) (string, error) {
	s := session(ctx, r, t)
	defer s.Close()
	if err := s.Configure(&pb.Config{}); err != nil {
		return "", err
	}
	var lines []string
	for _, request := range []*pb.Request{
		{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: archive}}},
		{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}},
	} {
		response, err := s.Do(ctx, request, func(l *pb.Log) { lines = append(lines, l.GetOutput()) })
		if err != nil {
			return "", err
		}
		if failure := client.ErrorOf(response); failure != "" {
			return "", errors.New(failure)
		}
	}
	return strings.Join(lines, "\n"), nil
}

func mustTenant(t *testing.T, name string) host.Tenant {
	t.Helper()
	tn, err := host.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

// TestTenants has tenants that differ in all that they can, and then changes them.
func TestTenants(t *testing.T) {
	t.Setenv("SHARED_SECRET", "of-the-daemon")
	a, b, other := mustTenant(t, "team-a"), mustTenant(t, "team-b"), mustTenant(t, "team-c")
	// What the plugin is compiled to is worth keeping.
	cache, err := host.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	o := host.Options{
		Plugin: filepath.FromSlash("../plugins/echo"), CacheDir: cache, DataDir: data,
		Engines: []host.EngineOptions{
			{Name: "old", Path: engineScript(t, "1.1.1"), Env: []string{"WHERE=everywhere", "TF_LOG=INFO"}},
			{Name: "new", Path: engineScript(t, "2.2.2"), Version: "2.2.2", Env: []string{"SHARED_SECRET"}},
		},
		Tenants: map[host.Tenant]host.TenantOptions{
			a: {Env: []string{"WHERE=a", "OWN=a-canary"}, Limits: &guestpb.Limits{ProgramRuns: 1}},
			b: {Engine: "new", Sessions: 1},
		},
		Limits: &guestpb.Limits{ProgramRuns: 3},
	}
	r, err := host.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()

	show := daemontest.EchoTemplate("on plan\ninfo\nrun terraform show\n")
	got, err := visit(t.Context(), r, a, show)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1.1.1", "WHERE=a", "OWN=a-canary", "TF_LOG=INFO", `"program_runs":"1"`} {
		if !strings.Contains(squeeze(got), want) {
			t.Errorf("a session of %s has no %q in\n%s", a, want, got)
		}
	}
	if strings.Contains(got, "of-the-daemon") || strings.Contains(got, "everywhere") {
		t.Errorf("%s has what only the other engine is given:\n%s", a, got)
	}
	got, err = visit(t.Context(), r, b, show)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2.2.2", "SHARED_SECRET=of-the-daemon", `"program_runs":"3"`} {
		if !strings.Contains(squeeze(got), want) {
			t.Errorf("a session of %s has no %q in\n%s", b, want, got)
		}
	}
	if strings.Contains(got, "a-canary") || strings.Contains(got, "WHERE") {
		t.Errorf("%s has what is another's:\n%s", b, got)
	}
	if _, err := visit(t.Context(), r, a, daemontest.EchoTemplate("on plan\nrun terraform show\nrun terraform show\n")); err == nil || !strings.Contains(err.Error(), "program_runs") {
		t.Errorf("a second run of %s: %v, want it to be refused", a, err)
	}
	if _, err := visit(t.Context(), r, other, show); !errors.Is(err, tenant.ErrUnknown) {
		t.Errorf("a tenant that there is not: %v", err)
	}
	checkQuota(t, r, b, show)
	checkDirectories(t, data, filepath.Join(cache, "tenants"))

	// Another setting, while a session is open.
	o.Engines[0], o.Engines[1] = o.Engines[1], o.Engines[0]
	o.Tenants = map[host.Tenant]host.TenantOptions{a: {}, other: {}}
	bad := o
	bad.Engines = slices.Clone(o.Engines)
	bad.Engines[0].Version = "3.3.3"
	if _, err := r.Prepare(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "version 3.3.3 is wanted") {
		t.Errorf("a bad change: %v", err)
	}
	fixed := o
	fixed.DataDir = t.TempDir()
	if _, err := r.Prepare(t.Context(), fixed); err == nil || !strings.Contains(err.Error(), "data_dir can't change") {
		t.Errorf("a change of what can't: %v", err)
	}
	if got, err := visit(t.Context(), r, b, show); err != nil || !strings.Contains(got, "2.2.2") {
		t.Errorf("after bad changes: %v\n%s", err, got)
	}
	change, err := r.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	change.Commit()
	for _, tn := range []host.Tenant{a, other} {
		got, err := visit(t.Context(), r, tn, show)
		if err != nil || !strings.Contains(got, "2.2.2") || strings.Contains(got, "a-canary") {
			t.Errorf("%s after the change: %v\n%s", tn, err, got)
		}
	}
	if _, err := visit(t.Context(), r, b, show); !errors.Is(err, tenant.ErrUnknown) {
		t.Errorf("a tenant that there is no more: %v", err)
	}
}

// squeeze leaves out spaces after colons: protojson puts some in, by chance.
func squeeze(s string) string { return strings.ReplaceAll(s, ": ", ":") }

// checkQuota opens one session too many.
func checkQuota(t *testing.T, r *host.Runtime, b host.Tenant, archive []byte) {
	t.Helper()
	init := &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: archive}}}
	open := func() (*client.Session, error) {
		s := session(t.Context(), r, b)
		err := s.Configure(&pb.Config{})
		if err == nil {
			_, err = s.Do(t.Context(), init, nil)
		}
		return s, err
	}
	first, err := open()
	if err != nil {
		t.Fatal(err)
	}
	second, err := open()
	var quota *tenant.QuotaError
	if !errors.As(err, &quota) || quota.Error() != "tenant team-b: 1 sessions are open, as many as may (setting sessions of the tenant)" {
		t.Errorf("the second session: %v, want the quota", err)
	}
	second.Close()
	first.Close()
	third, err := open()
	if err != nil {
		t.Errorf("once the first session has ended: %v", err)
	}
	third.Close()
}

// checkDirectories sees that what tenants have is theirs alone.
func checkDirectories(t *testing.T, data, tenants string) {
	t.Helper()
	for _, dir := range []string{filepath.Join(host.SessionsDir(data), "team-a"), filepath.Join(host.SessionsDir(data), "team-b"), filepath.Join(tenants, "team-a")} {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is not there", dir)
			continue
		}
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Error(fmt.Sprint(dir, info, err))
		}
	}
}
