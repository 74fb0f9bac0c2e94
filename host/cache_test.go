package host_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/client/template"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// coderTemplate has a module and a provider, and writes a file beside itself when it is applied.
const coderTemplate = `
terraform {
  required_providers {
    coder = { source = "coder/coder" }
  }
}
variable "name" {}
data "coder_workspace" "me" {}
module "m" {
  source = "./m"
}
resource "terraform_data" "mine" {
  input = var.name
  provisioner "local-exec" {
    command = "test ! -e .terraform/marker && echo ${var.name} > .terraform/marker && echo ${var.name} >> .terraform/modules/modules.json && sleep 1 && grep -qx ${var.name} .terraform/marker"
  }
}
`

// TestReuse has real engines reuse what one init made: it is not run again, and sessions at once see nothing of each other.
func TestReuse(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs an engine")
	}
	cache, err := host.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	// That on the PATH, and the one that the host builds, if it has.
	engines, err := filepath.Glob(filepath.Join(cache, "engines", "opentofu-*", "tofu"))
	if err != nil {
		t.Fatal(err)
	}
	for _, engine := range append([]string{""}, engines...) {
		t.Run("engine "+filepath.Base(engine), func(t *testing.T) {
			runtime, err := host.New(t.Context(), host.Options{Engine: engine, DataDir: t.TempDir(), Concurrency: 4})
			if err != nil {
				t.Fatal(err)
			}
			defer runtime.Close()
			testReuse(t, runtime, newVersion(t, cache))
		})
	}
}

func testReuse(t *testing.T, runtime *host.Runtime, archive []byte) {
	first, err := reuse(t.Context(), runtime, host.DefaultTenant, archive, "first")
	if err != nil || first.initLines == 0 {
		t.Fatalf("the first session: %d lines of init's log, %v", first.initLines, err)
	}
	var running sync.WaitGroup
	for i := range 4 {
		running.Go(func() {
			later, err := reuse(t.Context(), runtime, host.DefaultTenant, archive, fmt.Sprint("later", i))
			if err != nil || later.initLines > 0 || later.modules != first.modules {
				t.Errorf("later session %d: %+v, want no init and %d modules; %v", i, later, first.modules, err)
			}
		})
	}
	running.Wait()
	other, err := host.ParseTenant("other")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := reuse(t.Context(), runtime, other, archive, "other"); err != nil || got.initLines == 0 {
		t.Errorf("another tenant's session: %+v, want an init of its own; %v", got, err)
	}
}

// newVersion is the archive of a template that is new to the cache, which other runs have used.
func newVersion(t *testing.T, cache string) []byte {
	t.Helper()
	content := coderTemplate
	if _, err := os.Stat(filepath.Join(cache, "mirror", "registry.terraform.io", "coder", "coder")); err != nil {
		t.Log("without a provider: the mirror has no coder/coder")
		content = strings.Replace(content[strings.Index(content, "variable"):], `data "coder_workspace" "me" {}`, "", 1)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "m"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"main.tf": "# " + rand.Text() + "\n" + content, "m/m.tf": "output \"o\" {\n  value = 1\n}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	archive, err := template.Pack(dir, template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

type reused struct{ initLines, modules int }

// reuse walks one session of a template version from init to apply.
func reuse(ctx context.Context, r *host.Runtime, tenant host.Tenant, archive []byte, name string) (reused, error) {
	s := session(ctx, r, tenant)
	defer s.Close()
	yes, id := true, "5f0a3b0e-6d3f-4b0e-9a57-6a3a5c2c8d11"
	if err := s.Configure(&pb.Config{ExpReuseTerraformWorkspace: &yes, TemplateId: &id, TemplateVersionId: &id}); err != nil {
		return reused{}, err
	}
	var got reused
	for _, request := range []*pb.Request{
		{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: archive}}},
		{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{VariableValues: []*pb.VariableValue{{Name: "name", Value: name}}}}},
		{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{}}},
	} {
		var lines []string
		response, err := s.Do(ctx, request, func(l *pb.Log) { lines = append(lines, l.GetOutput()) })
		if err != nil {
			return got, err
		}
		if failure := client.ErrorOf(response); failure != "" {
			return got, fmt.Errorf("%s\n%s", failure, strings.Join(lines, "\n"))
		}
		if init := response.GetInit(); init != nil {
			got = reused{initLines: len(lines), modules: len(init.GetModules())}
		}
	}
	return got, nil
}
