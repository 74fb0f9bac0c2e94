package e2e

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// answerCase is a session of which all answers are compared.
type answerCase struct {
	name string
	run  func(*recording)
}

// metadata is a workspace. Templates that read of it get the same each time.
func metadata(change func(*pb.Metadata)) *pb.Metadata {
	m := &pb.Metadata{
		CoderUrl: "https://coder.example.com/", WorkspaceName: "dev", WorkspaceId: "0fc7f1a0-0000-4000-8000-000000000001",
		WorkspaceOwner: "ann", WorkspaceOwnerId: "0fc7f1a0-0000-4000-8000-000000000002", WorkspaceOwnerName: "Ann", WorkspaceOwnerEmail: "ann@example.com",
		WorkspaceOwnerSessionToken: "session-token", WorkspaceOwnerLoginType: "password", WorkspaceBuildId: "0fc7f1a0-0000-4000-8000-000000000003",
		TemplateId: "0fc7f1a0-0000-4000-8000-000000000004", TemplateName: "template", TemplateVersion: "one",
	}
	if change != nil {
		change(m)
	}
	return m
}

// planned is a template of which the plan's answers are all that matters.
func planned(name string, req *pb.PlanRequest) answerCase {
	return answerCase{name: name, run: func(r *recording) {
		r.init(pack(r, name))
		r.planWith(req)
	}}
}

// applied is a template whose resources are made.
func applied(name string, req *pb.PlanRequest) answerCase {
	return answerCase{name: name, run: func(r *recording) {
		r.init(pack(r, name))
		m := r.planWith(req)
		r.apply(&pb.ApplyRequest{Metadata: m})
		r.graph(pb.GraphSource_SOURCE_STATE)
	}}
}

// planWith plans and asks for the plan's graph. It returns the metadata with which it planned.
func (r *recording) planWith(req *pb.PlanRequest) *pb.Metadata {
	req = proto.CloneOf(req)
	if req.Metadata == nil {
		req.Metadata = metadata(nil)
	}
	r.plan(req)
	r.graph(pb.GraphSource_SOURCE_PLAN)
	return req.Metadata
}

var answerCases = []answerCase{
	applied("agents", &pb.PlanRequest{}),
	applied("apps", &pb.PlanRequest{}),
	applied("scripts", &pb.PlanRequest{}),
	applied("metadata", &pb.PlanRequest{}),
	applied("aitasks", &pb.PlanRequest{Metadata: metadata(func(m *pb.Metadata) {
		m.TaskId, m.TaskPrompt = "0fc7f1a0-0000-4000-8000-000000000005", "write a test"
	})}),
	applied("externalagent", &pb.PlanRequest{}),
	applied("modules", &pb.PlanRequest{}),
	applied("clouds", &pb.PlanRequest{}),
	applied("timings", &pb.PlanRequest{}),
	planned("parameters", &pb.PlanRequest{
		RichParameterValues: []*pb.RichParameterValue{{Name: "Needed", Value: "this"}, {Name: "Region", Value: "us"}},
	}),
	{name: "presets", run: func(r *recording) {
		planned("presets", &pb.PlanRequest{}).run(r)
		r.hasLog(`WARN preset "Small" (data.coder_workspace_preset.small) sets the parameter "Gone", which the template does not have`)
	}},
	planned("externalauth", &pb.PlanRequest{
		ExternalAuthProviders: []*pb.ExternalAuthProvider{{Id: "forge", AccessToken: "a token"}},
	}),
	{name: "variables", run: variablesSession},
	{name: "destroy", run: destroySession},
	{name: "replacements", run: replacementSession},
	{name: "errors", run: errorSession},
	{name: "modulefiles", run: moduleSession},
}

// variablesSession parses too, and chooses a variable's value.
func variablesSession(r *recording) {
	r.init(pack(r, "variables"))
	r.parse()
	r.planWith(&pb.PlanRequest{VariableValues: []*pb.VariableValue{
		{Name: "zone", Value: "north"}, {Name: "secret", Value: "s3cret", Sensitive: true},
	}})
	r.apply(&pb.ApplyRequest{Metadata: metadata(nil)})
}

// destroySession destroys what another session made; and once more, when there is nothing.
func destroySession(r *recording) {
	made := record(r.T, r.daemon)
	made.init(pack(r, "metadata"))
	made.plan(&pb.PlanRequest{Metadata: metadata(nil)})
	state := made.apply(&pb.ApplyRequest{Metadata: metadata(nil)}).GetState()

	gone := metadata(func(m *pb.Metadata) { m.WorkspaceTransition = pb.WorkspaceTransition_DESTROY })
	r.init(pack(r, "metadata"))
	r.plan(&pb.PlanRequest{Metadata: gone, State: state})
	r.apply(&pb.ApplyRequest{Metadata: gone})
	r.graph(pb.GraphSource_SOURCE_STATE)

	none := record(r.T, r.daemon)
	none.withLogs = true
	none.init(pack(r, "metadata"))
	none.responses = nil
	none.plan(&pb.PlanRequest{Metadata: gone})
	none.apply(&pb.ApplyRequest{Metadata: gone})
	r.responses = append(r.responses, none.responses...)
}

const replacementTemplate = `
variable "text" { type = string }

resource "fixture_replaced" "plain" {
  plain = var.text
}

resource "fixture_replaced" "secret" {
  secret = var.text
}

resource "fixture_replaced" "late" {
  late = fixture_replaced.plain.id
}
`

// replacementSession changes what can't be changed in place: a value, a secret, and one that is not known yet.
func replacementSession(r *recording) {
	text := func(value string) []*pb.VariableValue { return []*pb.VariableValue{{Name: "text", Value: value}} }
	r.init(archive(r, "main.tf", replacementTemplate))
	r.plan(&pb.PlanRequest{VariableValues: text("one")})
	state := r.apply(&pb.ApplyRequest{}).GetState()
	r.logs = nil
	r.plan(&pb.PlanRequest{VariableValues: text("two"), State: state})
	r.hasLog("WARN Resource replacements:")
	for _, line := range []string{
		"WARN   -/+ fixture_replaced.late (replace)",
		"WARN   -/+ fixture_replaced.plain (replace)",
		`WARN       ~ plain: "one" -> "two" (forces replacement)`,
		"WARN   -/+ fixture_replaced.secret (replace)",
		"WARN       ~ secret: (sensitive value) -> (sensitive value) (forces replacement)",
	} {
		r.hasLog(line)
	}
	if !slices.ContainsFunc(r.logs, func(l string) bool {
		return strings.HasPrefix(l, `WARN       ~ late: "`) && strings.HasSuffix(l, `" -> (known after apply) (forces replacement)`)
	}) {
		r.Errorf("nothing tells of the value that is not known yet: %q", r.logs)
	}
	r.apply(&pb.ApplyRequest{})
	r.graph(pb.GraphSource_SOURCE_STATE)
}

// errorSession has each request fail. The state of the apply that did travels with its error.
func errorSession(r *recording) {
	r.do(initRequestOf([]byte("no archive")))
	r.init(archive(r, "main.tf", `
variable "needed" { type = string }
resource "fixture_halfway" "half" {}
`))
	r.do(planRequest(&pb.PlanRequest{}))
	r.do(graphRequest(pb.GraphSource_SOURCE_PLAN))
	r.plan(&pb.PlanRequest{VariableValues: []*pb.VariableValue{{Name: "needed", Value: "x"}}})
	r.do(applyRequest(&pb.ApplyRequest{}))
	r.do(graphRequest(pb.GraphSource_SOURCE_UNKNOWN))

	broken := record(r.T, r.daemon)
	broken.init(archive(r, "main.tf", `data "coder_workspace_tags" "none" {}`, "README.md", "still read"))
	broken.do(&pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}})
	r.responses = append(r.responses, broken.responses...)
}

// moduleSession installs modules from an archive: packed within the Complete, uploaded in pieces, and not packed at all.
func moduleSession(r *recording) {
	packed := filepath.Join(room.modules, "answers-"+r.daemon.engine+".zip")
	r.paths = append(r.paths, packed, "MODULES")
	template := []byte(strings.ReplaceAll(file(r, "templates/modulefiles.tf"), "PACKED", packed))
	for _, ballast := range []int{100, 5 << 20, 100} {
		writeModules(r, packed, ballast)
		s := record(r.T, r.daemon)
		req := initRequestOf(archive(r, "main.tf", string(template), "inside/main.tf", "locals {}\n"))
		req.GetInit().OmitModuleFiles = len(r.responses) > 2
		s.succeed(req)
		r.responses = append(r.responses, s.responses...)
	}
}

// writeModules writes the archive of modules, with that many bytes of ballast in one of them.
func writeModules(t testing.TB, path string, ballast int) {
	t.Helper()
	noise := make([]byte, ballast)
	random := rand.NewChaCha8(sha256.Sum256(nil))
	if _, err := random.Read(noise); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range []struct {
		name    string
		mode    os.FileMode
		content []byte
	}{
		{"main.tf", 0o644, []byte("locals {}\n")}, {"ballast.bin", 0o644, noise},
		{"small/main.tf", 0o644, []byte("locals {}\n")}, {"small/run.sh", 0o755, []byte("#!/bin/sh\n")},
	} {
		header := &zip.FileHeader{Name: f.name, Method: zip.Store}
		header.SetMode(f.mode)
		entry, err := w.CreateHeader(header)
		if err == nil {
			_, err = entry.Write(f.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
