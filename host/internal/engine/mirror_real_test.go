package engine

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/exec"
)

const coderProvider = "github.com/coder/terraform-provider-coder/v2@v2.20.0"

const agentTemplate = `
terraform {
  required_providers {
    coder = { source = "coder/coder" }
  }
}
data "coder_workspace" "me" {}
resource "coder_agent" "main" {
  os   = "linux"
  arch = "amd64"
}
`

// The pinned coder provider is built into a mirror, from which Terraform and OpenTofu both install it without a registry,
// several inits at once, and never write to it.
func TestMirroredProviderWithRealEngines(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a provider")
	}
	engines := realEngines(t)
	cache := t.TempDir()
	dirs, err := MirrorAdd(t.Context(), MirrorOptions{Package: coderProvider, As: []string{"coder/coder"}, CacheDir: cache, Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) != 2 || !strings.Contains(dirs[0], "registry.terraform.io") || !strings.Contains(dirs[1], "registry.opentofu.org") {
		t.Errorf("got %v", dirs)
	}
	again, err := MirrorAdd(t.Context(), MirrorOptions{Package: coderProvider, As: []string{"registry.terraform.io/coder/coder"}, CacheDir: cache, Progress: failingWriter{t}})
	if err != nil || fmt.Sprint(again) != fmt.Sprint(dirs) {
		t.Errorf("a second time: %v, %v", again, err)
	}
	before := listing(t, MirrorDir(cache))
	for _, path := range engines {
		t.Run(filepath.Base(path), func(t *testing.T) {
			e, err := Find(t.Context(), Options{Path: path, CacheDir: cache, Env: []string{
				"HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1", // no registry is reachable
			}})
			if err != nil {
				t.Fatal(err)
			}
			var sessions sync.WaitGroup
			for range 8 {
				sessions.Go(func() { planAgent(t, e) })
			}
			sessions.Wait()
		})
	}
	if after := listing(t, MirrorDir(cache)); after != before {
		t.Errorf("the engines changed the mirror:\n%s\nto\n%s", before, after)
	}
}

// planAgent runs a session's worth of commands on the template with an agent.
func planAgent(t *testing.T, e *Engine) {
	root, err := os.MkdirTemp("", "s") // short: providers listen on sockets in there
	if err != nil {
		t.Error(err)
		return
	}
	defer os.RemoveAll(root)
	work, home, tmp := filepath.Join(root, "work"), filepath.Join(root, "home"), filepath.Join(root, "run")
	for _, dir := range []string{work, home, tmp} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Error(err)
			return
		}
	}
	if err := os.WriteFile(filepath.Join(work, "main.tf"), []byte(agentTemplate), 0o600); err != nil {
		t.Error(err)
		return
	}
	dirs, err := e.Prepare(nil, root, home, tmp, 0)
	if err != nil {
		t.Error(err)
		return
	}
	var stdout string
	for _, args := range []string{"init -input=false -no-color", "plan -input=false -no-color -out=plan", "show -json plan"} {
		var ok bool
		if stdout, ok = runEngine(t, e, dirs, work, strings.Fields(args)); !ok {
			return
		}
	}
	var plan struct {
		ResourceChanges []struct{ Address string } `json:"resource_changes"`
	}
	if err := json.Unmarshal([]byte(stdout), &plan); err != nil || len(plan.ResourceChanges) != 1 || plan.ResourceChanges[0].Address != "coder_agent.main" {
		t.Errorf("plan: %+v, %v", plan, err)
	}
}

func runEngine(t *testing.T, e *Engine, dirs Dirs, work string, args []string) (string, bool) {
	p, err := exec.Start(exec.Program{Path: e.Path, Args: args, Dir: work, Env: e.Environ(dirs, []string{"CODER_AGENT_URL=http://localhost"}, 0)})
	if err != nil {
		t.Error(err)
		return "", false
	}
	defer p.Close()
	var out [2]strings.Builder
	buf := make([]byte, 32<<10)
	for {
		stream, n, err := p.Read(t.Context(), buf, -1)
		if err != nil {
			t.Error(err)
			return "", false
		}
		if stream == abi.Ended {
			break
		}
		out[stream-abi.Stdout].Write(buf[:n])
	}
	if r, err := p.Wait(t.Context()); err != nil || r.ExitCode != 0 {
		t.Errorf("%s %v: %v, %v\n%s%s", e.Name, args, r, err, &out[0], &out[1])
		return "", false
	}
	return out[0].String(), true
}

// realEngines are the Terraform and the OpenTofu that are here; the pinned OpenTofu with PROVISOR_TEST_TOFU (see TestBuildTofuForReal).
func realEngines(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, name := range []string{Terraform, Tofu} {
		if path, err := osexec.LookPath(name); err == nil {
			paths = append(paths, path)
		}
	}
	if cache := os.Getenv("PROVISOR_TEST_TOFU"); cache != "" {
		path, err := BuildTofu(t.Context(), Options{CacheDir: cache, Progress: t.Output()})
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	if len(paths) == 0 {
		t.Skip("no engine on the PATH")
	}
	return paths
}

// listing is all files below dir with their sizes, modes and times.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			fmt.Fprintln(&all, path, info.Size(), info.Mode(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// failingWriter fails the test when it is told anything.
type failingWriter struct{ t *testing.T }

func (w failingWriter) Write(b []byte) (int, error) {
	w.t.Errorf("unexpected progress: %s", b)
	return len(b), nil
}

var _ io.Writer = failingWriter{}
