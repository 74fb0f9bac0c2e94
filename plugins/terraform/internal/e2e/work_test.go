package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// A canceled apply ends soon, and its answer has the state with what was made before.
func TestCancelApply(t *testing.T) {
	const slowTemplate = `
resource "fixture_slow" "first" { seconds = 0 }
resource "fixture_witnessed" "second" {
  name       = "second"
  address    = %q
  millis     = 600000
  depends_on = [fixture_slow.first]
}
resource "fixture_slow" "third" {
  seconds    = 0
  depends_on = [fixture_witnessed.second]
}
`
	onEngines(t, func(t *testing.T, d *daemon) {
		r, w := record(t, d), newWitness(t)
		r.init(archive(t, "main.tf", fmt.Sprintf(slowTemplate, w.listener.Addr())))
		r.plan(&pb.PlanRequest{})
		r.onLog = func(line string) {
			if !strings.HasPrefix(line, "INFO fixture_witnessed.second: Creating...") {
				return
			}
			// The engine says so before it calls the provider, and a provider that is told to stop before the call does not stop it.
			w.await(t, 1, 0)
			if err := r.session.Cancel(); err != nil {
				t.Error(err)
			}
		}
		began := time.Now()
		apply := r.do(applyRequest(&pb.ApplyRequest{})).GetApply()
		if took := time.Since(began); took > 5*time.Minute {
			t.Errorf("it took %v", took)
		}
		if want := "terraform apply: canceled: exit status 1"; apply.GetError() != want {
			t.Errorf("error %q, want %q", apply.GetError(), want)
		}
		wantState(t, apply.GetState(), "managed fixture_slow.first")
		// The session goes on: what was made is known, and the rest is still to be made.
		r.onLog = nil
		contents, err := planContents(r.plan(&pb.PlanRequest{}).GetPlan())
		if want := []string{"plan", "no-op fixture_slow.first", "create fixture_slow.third", "create fixture_witnessed.second"}; err != nil || !slices.Equal(contents, want) {
			t.Errorf("the next plan: %q, %v; want %q", contents, err, want)
		}
	})
}

// What an apply made before it failed is in the state. It is tainted, and replaced for no reason that a path could tell.
func TestFailedApply(t *testing.T) {
	onEngines(t, func(t *testing.T, d *daemon) {
		template := archive(t, "main.tf", `resource "fixture_halfway" "half" {}`)
		r := record(t, d)
		r.init(template)
		r.plan(&pb.PlanRequest{})
		apply := r.do(applyRequest(&pb.ApplyRequest{})).GetApply()
		if want := "terraform apply: exit status 1"; apply.GetError() != want {
			t.Errorf("error %q, want %q", apply.GetError(), want)
		}
		wantState(t, apply.GetState(), "managed fixture_halfway.half tainted")
		r.hasLog("ERROR Error: half-way")

		next := record(t, d)
		next.init(template)
		plan := next.plan(&pb.PlanRequest{State: apply.GetState()})
		if len(plan.GetResourceReplacements()) > 0 {
			t.Errorf("replacements %v, want none without a path", plan.GetResourceReplacements())
		}
		next.hasLog("WARN   -/+ fixture_halfway.half (replace)")
		next.hasLog("WARN       ~ replacement reason unavailable")
	})
}

// Where somebody claims a prebuilt workspace, what is replaced is told as the engine tells it to a person.
func TestClaim(t *testing.T) {
	onEngines(t, func(t *testing.T, d *daemon) {
		template := archive(t, "main.tf", `
variable "text" { type = string }
resource "fixture_replaced" "machine" { plain = var.text }
`)
		text := func(value string) []*pb.VariableValue { return []*pb.VariableValue{{Name: "text", Value: value}} }
		made := record(t, d)
		made.init(template)
		made.plan(&pb.PlanRequest{VariableValues: text("one")})
		state := made.apply(&pb.ApplyRequest{}).GetState()

		claim := record(t, d)
		claim.init(template)
		claimed := metadata(func(m *pb.Metadata) { m.PrebuiltWorkspaceBuildStage = pb.PrebuiltWorkspaceBuildStage_CLAIM })
		claim.plan(&pb.PlanRequest{Metadata: claimed, VariableValues: text("one"), State: state})
		wantNoLog(t, claim.logs, "forces replacement")
		claim.plan(&pb.PlanRequest{Metadata: claimed, VariableValues: text("two"), State: state})
		claim.hasLog(`WARN       ~ plain = "one" -> "two" # forces replacement`)
		claim.hasLog("INFO   # fixture_replaced.machine must be replaced")
		wantNoLog(t, claim.logs, "Resource replacements:")
	})
}

// Warnings reach the client, and very long lines do so whole.
func TestLongLines(t *testing.T) {
	const long = 300_000
	onEngines(t, func(t *testing.T, d *daemon) {
		r := record(t, d)
		r.init(archive(t, "main.tf", `resource "fixture_talkative" "t" { bytes = 300000 }`))
		story := "begin" + strings.Repeat("x", long-len("beginend")) + "end"
		for _, step := range []func(){
			func() { r.plan(&pb.PlanRequest{}) },
			func() { r.apply(&pb.ApplyRequest{}) },
		} {
			r.logs = nil
			step()
			r.hasLog("WARN Warning: a long story")
			if !strings.Contains(joined(r.logs, "WARN "), story) {
				t.Error("the long line is not whole")
			}
		}
	})
}

// Plan and apply tell the providers of the workspace; nothing comes from the daemon's own environment.
func TestEnvironment(t *testing.T) {
	onEngines(t, func(t *testing.T, d *daemon) {
		r := record(t, d)
		r.init(archive(t, "main.tf", `
data "fixture_environment" "planned" {}
resource "fixture_environment" "applied" {}
`))
		request := &pb.PlanRequest{
			Metadata: metadata(nil), RichParameterValues: []*pb.RichParameterValue{{Name: "a", Value: "now"}},
			PreviousParameterValues: []*pb.RichParameterValue{{Name: "a", Value: "before"}},
			ExternalAuthProviders:   []*pb.ExternalAuthProvider{{Id: "forge", AccessToken: "a token"}},
		}
		var planned, applied struct {
			PriorState struct {
				Values struct {
					RootModule struct {
						Resources []struct{ Values environment }
					} `json:"root_module"`
				}
			} `json:"prior_state"`
			Resources []struct {
				Mode      string
				Instances []struct{ Attributes environment }
			}
		}
		decode(t, r.plan(request).GetPlan(), &planned)
		decode(t, r.apply(&pb.ApplyRequest{Metadata: request.Metadata}).GetState(), &applied)
		atPlan := planned.PriorState.Values.RootModule.Resources[0].Values.Variables
		var atApply map[string]string
		for _, resource := range applied.Resources {
			if resource.Mode == "managed" {
				atApply = resource.Instances[0].Attributes.Variables
			}
		}
		if diff := gocmp.Diff(append(slices.Clone(workspaceNames), planNames...), names(atPlan)); diff != "" {
			t.Errorf("while planning (-want +got):\n%s", diff)
		}
		if diff := gocmp.Diff(workspaceNames, names(atApply)); diff != "" {
			t.Errorf("while applying (-want +got):\n%s", diff)
		}
		for name, want := range map[string]string{
			"CODER_WORKSPACE_NAME": "dev", "CODER_WORKSPACE_TRANSITION": "start", "CODER_WORKSPACE_OWNER_GROUPS": "[]",
			planNames[0]: "a token", planNames[3]: "before",
		} {
			if atPlan[name] != want {
				t.Errorf("%s=%q, want %q", name, atPlan[name], want)
			}
		}
	})
}

type environment struct{ Variables map[string]string }

// workspaceNames are the variables that every provider gets while an engine plans or applies.
var workspaceNames = strings.Fields(`CHECKPOINT_DISABLE
	CODER_AGENT_SCRIPT_darwin_amd64 CODER_AGENT_SCRIPT_darwin_arm64 CODER_AGENT_SCRIPT_linux_amd64 CODER_AGENT_SCRIPT_linux_arm64
	CODER_AGENT_SCRIPT_linux_armv7 CODER_AGENT_SCRIPT_windows_amd64 CODER_AGENT_SCRIPT_windows_arm64
	CODER_AGENT_URL CODER_TASK_ID CODER_TASK_PROMPT CODER_WORKSPACE_BUILD_ID CODER_WORKSPACE_ID CODER_WORKSPACE_NAME
	CODER_WORKSPACE_OWNER CODER_WORKSPACE_OWNER_EMAIL CODER_WORKSPACE_OWNER_GROUPS CODER_WORKSPACE_OWNER_ID CODER_WORKSPACE_OWNER_LOGIN_TYPE
	CODER_WORKSPACE_OWNER_NAME CODER_WORKSPACE_OWNER_OIDC_ACCESS_TOKEN CODER_WORKSPACE_OWNER_RBAC_ROLES CODER_WORKSPACE_OWNER_SESSION_TOKEN
	CODER_WORKSPACE_OWNER_SSH_PRIVATE_KEY CODER_WORKSPACE_OWNER_SSH_PUBLIC_KEY CODER_WORKSPACE_TEMPLATE_ID CODER_WORKSPACE_TEMPLATE_NAME
	CODER_WORKSPACE_TEMPLATE_VERSION CODER_WORKSPACE_TRANSITION GOGC GOMEMLIMIT HOME PATH TMPDIR`)

// planNames are those that a plan adds. The digests are that of "a".
var planNames = strings.Fields(`CODER_EXTERNAL_AUTH_ACCESS_TOKEN_forge CODER_GIT_AUTH_ACCESS_TOKEN_forge
	CODER_PARAMETER_ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
	CODER_PARAMETER_PREVIOUS_ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb`)

// names are the variables' names: first those that an apply has too, then the others; without what engines say to providers.
func names(variables map[string]string) []string {
	var common, added []string
	for name := range variables {
		switch {
		case strings.HasPrefix(name, "TF_"), strings.HasPrefix(name, "PLUGIN_"):
		case slices.Contains(planNames, name):
			added = append(added, name)
		default:
			common = append(common, name)
		}
	}
	slices.Sort(common)
	slices.SortFunc(added, func(a, b string) int { return slices.Index(planNames, a) - slices.Index(planNames, b) })
	return append(common, added...)
}

func decode(t *testing.T, b []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// wantState checks what the state has.
func wantState(t *testing.T, state []byte, want ...string) {
	t.Helper()
	contents, err := stateContents(state)
	if want = append([]string{"state"}, want...); err != nil || !slices.Equal(contents, want) {
		t.Errorf("state %q, %v; want %q", contents, err, want)
	}
}

func wantNoLog(t *testing.T, logs []string, text string) {
	t.Helper()
	for _, l := range logs {
		if strings.Contains(l, text) {
			t.Errorf("unexpected log line %q", l)
		}
	}
}

// joined are the lines of a level, without what separates them.
func joined(logs []string, level string) string {
	var all strings.Builder
	for _, l := range logs {
		if text, ok := strings.CutPrefix(l, level); ok {
			all.WriteString(text)
		}
	}
	return all.String()
}
