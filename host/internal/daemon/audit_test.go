package daemon

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// TestAudit runs sessions with a canary in every field that can hold a secret, and reads what they leave.
func TestAudit(t *testing.T) {
	const canary = "canary-7f3a"
	r := start(t, "log {\n  level = \"debug\"\n}\naudit {\n  file = \"audit.log\"\n}\n"+twoTenants("  env = { OWN = \""+canary+"\" }\n  sessions = 1"))
	c, err := client.Dial(r.Addresses()[0], client.Options{Token: "alpha"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Configure(&pb.Config{}); err != nil {
		t.Fatal(err)
	}
	script := "on plan\n  log info " + canary + "\n  run terraform show\n  error " + canary + "\n"
	for _, request := range []*pb.Request{
		{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: daemontest.EchoTemplate(script)}}},
		{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{
			Metadata:              &pb.Metadata{WorkspaceOwnerSessionToken: canary, WorkspaceName: canary, WorkspaceOwnerOidcAccessToken: canary},
			State:                 []byte(`{"canary": "` + canary + `"}`),
			VariableValues:        []*pb.VariableValue{{Name: canary, Value: canary, Sensitive: true}},
			RichParameterValues:   []*pb.RichParameterValue{{Name: canary, Value: canary}},
			ExternalAuthProviders: []*pb.ExternalAuthProvider{{Id: canary, AccessToken: canary}},
		}}},
	} {
		if _, err := s.Do(t.Context(), request, nil); err != nil {
			t.Fatal(err)
		}
	}
	// One session too many, while the first is open.
	if err := visit(t.Context(), c, ""); err == nil || !strings.Contains(err.Error(), "setting sessions of the tenant") || !strings.Contains(err.Error(), "ResourceExhausted") {
		t.Errorf("a session too many: %v", err)
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err == nil {
		t.Error("the session goes on")
	}
	lines := auditLines(t, filepath.Join(r.dir, "audit.log"), 2)
	refused, ended := lines[0], lines[1]
	if refused["outcome"] != "quota sessions" || refused["tenant"] != "team-a" {
		t.Errorf("the session that was refused left %v", refused)
	}
	for key, want := range map[string]any{
		"msg": "session ended", "tenant": "team-a", "plugin": "echo", "engine": "terraform 1.1.1", "outcome": "ok", "failures": 1.0, "program_runs": 1.0,
	} {
		if ended[key] != want {
			t.Errorf("%s is %v, want %v", key, ended[key], want)
		}
	}
	requests, _ := ended["requests"].(map[string]any)
	if requests["init"] != 1.0 || requests["plan"] != 1.0 || len(requests) != 2 {
		t.Errorf("requests: %v", requests)
	}
	steps, _ := ended["steps"].([]any)
	if len(steps) != 2 {
		t.Fatalf("steps: %v", ended["steps"])
	}
	for i, want := range []map[string]any{{"request": "init", "outcome": "ok"}, {"request": "plan", "outcome": "failed", "programs": 1.0}} {
		step, _ := steps[i].(map[string]any)
		if _, ok := step["seconds"].(float64); !ok {
			t.Errorf("step %d has no duration: %v", i, step)
		}
		for key, value := range want {
			if step[key] != value {
				t.Errorf("step %d: %s is %v, want %v", i, key, step[key], value)
			}
		}
	}
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, "session=") != strings.Contains(line, "tenant=") {
			t.Errorf("a line has a session or a tenant alone: %s", line)
		}
	}
	for _, key := range []string{"session", "version", "sha256", "duration", "bytes_received", "bytes_sent"} {
		if v := ended[key]; v == nil || v == "" || v == 0.0 {
			t.Errorf("%s is %v", key, v)
		}
	}
	content, err := os.ReadFile(filepath.Join(r.dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"audit": string(content), "log": r.log.String()} {
		if strings.Contains(text, canary) || strings.Contains(text, "alpha") {
			t.Errorf("a secret is in the %s:\n%s", where, text)
		}
	}
	if info, err := os.Stat(filepath.Join(r.dir, "audit.log")); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
}

// auditLines waits for so many lines.
func auditLines(t *testing.T, path string, n int) (lines []map[string]any) {
	t.Helper()
	var content []byte
	eventually(t, "the audit file has as many lines as are to be", func() bool {
		var err error
		if content, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		return bytes.Count(content, []byte("\n")) >= n
	})
	for line := range bytes.Lines(content[:bytes.LastIndexByte(content, '\n')+1]) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, m)
	}
	return lines
}
