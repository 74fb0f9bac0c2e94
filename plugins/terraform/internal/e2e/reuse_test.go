package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// The script says whether another session has been here, and leaves a trace in what init made.
const traceTemplate = `
module "m" { source = "PACKED" }

resource "fixture_slow" "any" {
  seconds = 0
  provisioner "local-exec" {
    command = "test -e .terraform/trace && echo SPOILED || echo CLEAN; chmod -R u+w .terraform; echo trace > .terraform/trace"
  }
}
`

// What init made for a version of a template is made once. Sessions that use it at the same time never see each other's files.
func TestReuse(t *testing.T) {
	onEngines(t, func(t *testing.T, d *daemon) {
		packed := filepath.Join(room.modules, d.engine+".zip")
		writeModules(t, packed, 10)
		template := archive(t, "main.tf", strings.ReplaceAll(traceTemplate, "PACKED", packed))
		config := &pb.Config{
			ExpReuseTerraformWorkspace: proto.Bool(true),
			TemplateId:                 proto.String(uuid.NewString()), TemplateVersionId: proto.String(uuid.NewString()),
		}
		first := &recording{T: t, daemon: d, session: d.open(t, config)}
		made := first.init(template)
		made.Timings = nil // they differ
		if !ranInit(first) {
			t.Fatalf("the first init installed no provider: %q", first.logs)
		}
		checkTrace(first)

		t.Run("at once", func(t *testing.T) {
			for range 3 {
				t.Run("session", func(t *testing.T) {
					t.Parallel()
					r := &recording{T: t, daemon: d, session: d.open(t, config)}
					again := r.init(template)
					if ranInit(r) {
						t.Error("init ran again for the same version")
					}
					again.Timings = nil
					if !proto.Equal(made, again) {
						t.Errorf("modules %v, want %v with the same files", again.GetModules(), made.GetModules())
					}
					checkTrace(r)
				})
			}
		})
		for name, c := range map[string]*pb.Config{
			"without the flag":     {TemplateId: config.TemplateId, TemplateVersionId: config.TemplateVersionId},
			"for another template": {TemplateId: proto.String(uuid.NewString()), TemplateVersionId: config.TemplateVersionId, ExpReuseTerraformWorkspace: config.ExpReuseTerraformWorkspace},
			"without a template":   {TemplateVersionId: config.TemplateVersionId, ExpReuseTerraformWorkspace: config.ExpReuseTerraformWorkspace},
		} {
			r := &recording{T: t, daemon: d, session: d.open(t, c)}
			r.init(template)
			if !ranInit(r) {
				t.Errorf("%s, init was not run", name)
			}
		}
		r := &recording{T: t, daemon: d, session: d.open(t, config)}
		if r.init(archive(t, "main.tf", `resource "fixture_slow" "other" { seconds = 0 }`)); !ranInit(r) {
			t.Error("init did not run for another archive under the same ids")
		}
	})
}

// ranInit says whether the session's engine installed providers.
func ranInit(r *recording) bool {
	return slices.ContainsFunc(r.logs, func(l string) bool { return strings.Contains(l, "provisor/fixture v"+fixtureVersion) })
}

// checkTrace applies the template, and checks that no other session's trace is there.
func checkTrace(r *recording) {
	r.plan(&pb.PlanRequest{})
	r.apply(&pb.ApplyRequest{})
	r.hasLog("INFO fixture_slow.any: (local-exec): CLEAN")
}
