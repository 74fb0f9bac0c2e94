package host_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/engine/registrytest"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// cacheSessions is how many sessions share a provider cache. A soak takes 200.
var cacheSessions = flag.Int("cache-sessions", 12, "so many sessions share a provider cache, half of them on a cold one")

// atOnce is how many of them run at a time.
const atOnce = 8

// Sessions that share a cache of providers and a mirror neither fail nor spoil each other's, with two versions of a provider, on a cold cache
// and on a warm one.
func TestProviderCache(t *testing.T) {
	if testing.Short() {
		t.Skip("real engines take longer")
	}
	built := fixtureProvider(t)
	for name, path := range engines(t) {
		t.Run(name, func(t *testing.T) { testProviderCache(t, path, built, host.JailOptions{}) })
	}
}

// engines are the engines that are here, by name.
func engines(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	cache, err := host.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if path, err := exec.LookPath("terraform"); err == nil {
		found["terraform"] = path
	}
	if path, err := exec.LookPath("tofu"); err == nil {
		found["tofu"] = path
	} else if built, _ := filepath.Glob(filepath.Join(cache, "engines", "opentofu-*", "tofu")); len(built) > 0 {
		found["tofu"] = built[0]
	}
	if len(found) == 0 {
		t.Skip("there is no engine")
	}
	return found
}

func testProviderCache(t *testing.T, engine string, built []byte, j host.JailOptions) {
	mirror := t.TempDir()
	offer(t, built, filepath.Join(mirror, "registry.example.com", "acme", "mirrored", "0.1.0", runtime.GOOS+"_"+runtime.GOARCH), "mirrored", "0.1.0")
	versions := map[string]string{"1.0.0": t.TempDir(), "2.0.0": t.TempDir()}
	for version, dir := range versions {
		offer(t, built, dir, "fixture", version)
	}
	registry := registrytest.New(t, "acme/fixture", versions)
	trust := filepath.Join(mirror, "ca.pem") // where engines may read it
	if err := os.WriteFile(trust, registry.CA, 0o644); err != nil {
		t.Fatal(err)
	}
	caches := coldCache(t)
	r, err := host.New(t.Context(), host.Options{
		Engine: engine, Mirror: mirror, CacheDir: caches, DataDir: t.TempDir(), Concurrency: atOnce, EngineEnv: []string{"SSL_CERT_FILE=" + trust}, Jail: j,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	downloads := func() int { return registry.Downloads("1.0.0") + registry.Downloads("2.0.0") }
	for _, phase := range []string{"cold", "warm"} {
		began, before := time.Now(), downloads()
		failures := plans(t, r, *cacheSessions/2, registry.Source())
		t.Logf("%d sessions on a %s cache, %d at a time: %d failures, %d downloads, %v",
			*cacheSessions/2, phase, atOnce, failures, downloads()-before, time.Since(began).Round(100*time.Millisecond))
		if limit := map[string]int{"cold": atOnce, "warm": 0}[phase]; downloads()-before > limit {
			t.Errorf("%d downloads on a %s cache, want at most %d", downloads()-before, phase, limit)
		}
	}
	kept, err := filepath.Glob(filepath.Join(caches, "tenants", "default", "providers", "*", "mirror", "*", "*", "*", "*", "*"))
	if err != nil || len(kept) != 2 {
		t.Errorf("the cache has %q, %v; want both versions of the one provider that no mirror has", kept, err)
	}
}

// plans has that many sessions plan, and returns how many failed.
func plans(t *testing.T, r *host.Runtime, sessions int, source string) int32 {
	t.Helper()
	var failures, next atomic.Int32
	var running sync.WaitGroup
	for range atOnce {
		running.Go(func() {
			for n := int(next.Add(1)); n <= sessions; n = int(next.Add(1)) {
				if err := planWith(t.Context(), r, source, []string{"1.0.0", "2.0.0"}[n%2]); err != nil {
					failures.Add(1)
					t.Errorf("session %d: %v", n, err)
				}
			}
		})
	}
	running.Wait()
	return failures.Load()
}

// planWith plans a template with that version from the registry, and a provider from the mirror.
func planWith(ctx context.Context, r *host.Runtime, source, version string) error {
	s, err := configured(ctx, r)
	if err != nil {
		return err
	}
	defer s.Close()
	template := fmt.Sprintf(`terraform {
  required_providers {
    fixture = {
      source  = %q
      version = %q
    }
    mirrored = { source = "registry.example.com/acme/mirrored" }
  }
}
resource "fixture_slow" "fetched" { seconds = 0 }
resource "fixture_slow" "mirrored" {
  provider = mirrored
  seconds  = 0
}
`, source, version)
	for _, req := range []*pb.Request{
		{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: daemontest.Template(map[string]string{"main.tf": template})}}},
		{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}},
	} {
		var logs []string
		resp, err := s.Do(ctx, req, func(l *pb.Log) { logs = append(logs, l.Output) })
		if err != nil {
			return err
		}
		if text := client.ErrorOf(resp); text != "" {
			return fmt.Errorf("%T: %s\n%q", req.Type, text, logs)
		}
		if plan := resp.GetPlan().GetPlan(); plan != nil {
			var content struct {
				ResourceChanges []struct{ Address string } `json:"resource_changes"`
			}
			if err := json.Unmarshal(plan, &content); err != nil || len(content.ResourceChanges) != 2 {
				return fmt.Errorf("the plan has %+v, %v; want two resources", content, err)
			}
		}
	}
	return nil
}

// configured opens a session and sends its Config.
func configured(ctx context.Context, r *host.Runtime) (*client.Session, error) {
	s := session(ctx, r, host.DefaultTenant)
	return s, s.Configure(&pb.Config{})
}

// buildFixture builds the fixture provider, once.
var buildFixture = sync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "fixture")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	built := filepath.Join(dir, "provider")
	out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", built, "../plugins/terraform/internal/fixtureprovider").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	return os.ReadFile(built)
})

func fixtureProvider(t *testing.T) []byte {
	t.Helper()
	content, err := buildFixture()
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// offer puts a provider's binary into a directory, as a package of that version.
func offer(t *testing.T, content []byte, dir, name, version string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "terraform-provider-"+name+"_v"+version), content, 0o755); err != nil {
		t.Fatal(err)
	}
}

// coldCache is a cache directory without providers; what else takes long to make is the user's.
func coldCache(t *testing.T) string {
	t.Helper()
	users, err := host.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Cleanup(func() { // a user who is not root can't remove what is in directories that are read-only
		err := filepath.WalkDir(filepath.Join(dir, "tenants"), func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				err = os.Chmod(path, 0o700)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	for _, part := range []string{"build", "compiled", "engines", "plugins", "versions"} {
		if err := os.MkdirAll(filepath.Join(users, part), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(users, part), filepath.Join(dir, part)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A provider's binary in the mirror that is replaced, as a package manager does it, is not missed by those who run it.
func TestMirrorIsReplacedWhileItRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("real engines take longer")
	}
	terraform, ok := engines(t)["terraform"]
	if !ok {
		t.Skip("terraform is not on the PATH")
	}
	built := fixtureProvider(t)
	mirror := t.TempDir()
	dir := filepath.Join(mirror, "registry.example.com", "acme", "fixture", "1.0.0", runtime.GOOS+"_"+runtime.GOARCH)
	offer(t, built, dir, "fixture", "1.0.0")
	binary := filepath.Join(dir, "terraform-provider-fixture_v1.0.0")
	r, err := host.New(t.Context(), host.Options{Engine: terraform, Mirror: mirror, DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := configured(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	template := `terraform {
  required_providers {
    fixture = { source = "registry.example.com/acme/fixture" }
  }
}
resource "fixture_slow" "first" { seconds = 4 }
resource "fixture_slow" "second" {
  seconds    = 0
  depends_on = [fixture_slow.first]
}
`
	replaced := false
	for _, req := range []*pb.Request{
		{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: daemontest.Template(map[string]string{"main.tf": template})}}},
		{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}},
		{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{}}},
	} {
		resp, err := s.Do(t.Context(), req, func(l *pb.Log) {
			if replaced || l.GetOutput() != "fixture_slow.first: Creating..." {
				return
			}
			replaced = true
			if err := os.WriteFile(binary+".new", []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
				t.Error(err)
			}
			if err := os.Rename(binary+".new", binary); err != nil {
				t.Error(err)
			}
		})
		if err != nil || client.ErrorOf(resp) != "" {
			t.Fatalf("%T: %v, %s", req.Type, err, client.ErrorOf(resp))
		}
	}
	if !replaced {
		t.Error("the binary was not replaced while it ran")
	}
	// The next run has another binary than the lock file: the engine says so, and does not run it.
	resp, err := s.Do(t.Context(), &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text := client.ErrorOf(resp); text == "" {
		t.Error("a plan ran with a provider that nobody has chosen")
	}
}
