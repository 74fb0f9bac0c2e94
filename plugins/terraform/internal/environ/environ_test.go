package environ

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// empty is the environment without any metadata, without the scripts.
func empty() map[string]string {
	return map[string]string{
		"CODER_AGENT_URL": "", "CODER_WORKSPACE_TRANSITION": "start", "CODER_WORKSPACE_NAME": "", "CODER_WORKSPACE_ID": "",
		"CODER_WORKSPACE_BUILD_ID": "", "CODER_WORKSPACE_OWNER": "", "CODER_WORKSPACE_OWNER_ID": "",
		"CODER_WORKSPACE_OWNER_NAME": "", "CODER_WORKSPACE_OWNER_EMAIL": "", "CODER_WORKSPACE_OWNER_GROUPS": "[]",
		"CODER_WORKSPACE_OWNER_RBAC_ROLES": "[]", "CODER_WORKSPACE_OWNER_LOGIN_TYPE": "",
		"CODER_WORKSPACE_OWNER_SSH_PUBLIC_KEY": "", "CODER_WORKSPACE_OWNER_SSH_PRIVATE_KEY": "",
		"CODER_WORKSPACE_OWNER_SESSION_TOKEN": "", "CODER_WORKSPACE_OWNER_OIDC_ACCESS_TOKEN": "",
		"CODER_WORKSPACE_TEMPLATE_ID": "", "CODER_WORKSPACE_TEMPLATE_NAME": "", "CODER_WORKSPACE_TEMPLATE_VERSION": "",
		"CODER_TASK_ID": "", "CODER_TASK_PROMPT": "",
	}
}

func TestApply(t *testing.T) {
	for _, c := range []struct {
		name     string
		metadata *pb.Metadata
		debug    bool
		changes  map[string]string
	}{
		{name: "no metadata"},
		{name: "empty metadata", metadata: new(pb.Metadata)},
		{name: "the engine's log", debug: true, changes: map[string]string{"TF_LOG": "JSON"}},
		{
			name: "everything",
			metadata: &pb.Metadata{
				CoderUrl: "https://c.example/", WorkspaceTransition: pb.WorkspaceTransition_STOP, WorkspaceName: "w", WorkspaceId: "wi",
				WorkspaceBuildId: "b", WorkspaceOwner: "o", WorkspaceOwnerId: "oi", WorkspaceOwnerName: "O", WorkspaceOwnerEmail: "o@e",
				WorkspaceOwnerGroups: []string{"a", `"b"`}, WorkspaceOwnerRbacRoles: []*pb.Role{{Name: "r", OrgId: "x"}, {}},
				WorkspaceOwnerLoginType: "l", WorkspaceOwnerSshPublicKey: "pub", WorkspaceOwnerSshPrivateKey: "line 1\nline 2",
				WorkspaceOwnerSessionToken: "s", WorkspaceOwnerOidcAccessToken: "oidc", TemplateId: "ti", TemplateName: "t",
				TemplateVersion: "v", TemplateVersionId: "nobody reads this", TaskId: "task", TaskPrompt: "p",
			},
			changes: map[string]string{
				"CODER_AGENT_URL": "https://c.example/", "CODER_WORKSPACE_TRANSITION": "stop", "CODER_WORKSPACE_NAME": "w",
				"CODER_WORKSPACE_ID": "wi", "CODER_WORKSPACE_BUILD_ID": "b", "CODER_WORKSPACE_OWNER": "o", "CODER_WORKSPACE_OWNER_ID": "oi",
				"CODER_WORKSPACE_OWNER_NAME": "O", "CODER_WORKSPACE_OWNER_EMAIL": "o@e", "CODER_WORKSPACE_OWNER_GROUPS": `["a","\"b\""]`,
				"CODER_WORKSPACE_OWNER_RBAC_ROLES": `[{"name":"r","org_id":"x"},{"name":"","org_id":""}]`,
				"CODER_WORKSPACE_OWNER_LOGIN_TYPE": "l", "CODER_WORKSPACE_OWNER_SSH_PUBLIC_KEY": "pub",
				"CODER_WORKSPACE_OWNER_SSH_PRIVATE_KEY": "line 1\nline 2", "CODER_WORKSPACE_OWNER_SESSION_TOKEN": "s",
				"CODER_WORKSPACE_OWNER_OIDC_ACCESS_TOKEN": "oidc", "CODER_WORKSPACE_TEMPLATE_ID": "ti",
				"CODER_WORKSPACE_TEMPLATE_NAME": "t", "CODER_WORKSPACE_TEMPLATE_VERSION": "v", "CODER_TASK_ID": "task", "CODER_TASK_PROMPT": "p",
			},
		},
		{name: "a destroy", metadata: &pb.Metadata{WorkspaceTransition: pb.WorkspaceTransition_DESTROY},
			changes: map[string]string{"CODER_WORKSPACE_TRANSITION": "destroy"}},
		{name: "a prebuild", metadata: &pb.Metadata{PrebuiltWorkspaceBuildStage: pb.PrebuiltWorkspaceBuildStage_CREATE},
			changes: map[string]string{"CODER_WORKSPACE_IS_PREBUILD": "true"}},
		{name: "its claim", metadata: &pb.Metadata{PrebuiltWorkspaceBuildStage: pb.PrebuiltWorkspaceBuildStage_CLAIM},
			changes: map[string]string{"CODER_WORKSPACE_IS_PREBUILD_CLAIM": "true"}},
		{name: "one agent's token", metadata: &pb.Metadata{RunningAgentAuthTokens: []*pb.RunningAgentAuthToken{{AgentId: "a", Token: "t"}}},
			changes: map[string]string{"CODER_RUNNING_WORKSPACE_AGENT_TOKEN_" + hash(""): "t"}},
		{name: "two agents' tokens", metadata: &pb.Metadata{RunningAgentAuthTokens: []*pb.RunningAgentAuthToken{{AgentId: "a", Token: "t"}, {AgentId: "b", Token: "u"}}},
			changes: map[string]string{"CODER_RUNNING_WORKSPACE_AGENT_TOKEN_" + hash("a"): "t", "CODER_RUNNING_WORKSPACE_AGENT_TOKEN_" + hash("b"): "u"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			env, err := Apply(c.metadata, c.debug)
			if err != nil {
				t.Fatal(err)
			}
			want := empty()
			for name, value := range c.changes {
				want[name] = value
			}
			if diff := cmp.Diff(want, withoutScripts(t, env)); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlan(t *testing.T) {
	env, err := Plan(&pb.PlanRequest{
		Metadata:                &pb.Metadata{WorkspaceName: "w"},
		RichParameterValues:     []*pb.RichParameterValue{{Name: "Größe", Value: "5"}},
		PreviousParameterValues: []*pb.RichParameterValue{{Name: "Größe", Value: "4"}},
		ExternalAuthProviders:   []*pb.ExternalAuthProvider{{Id: "git-hub", AccessToken: "t"}},
		VariableValues:          []*pb.VariableValue{{Name: "not", Value: "here"}},
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	want := empty()
	for name, value := range map[string]string{
		"TF_LOG": "JSON", "CODER_WORKSPACE_NAME": "w",
		"CODER_PARAMETER_" + hash("Größe"):          "5",
		"CODER_PARAMETER_PREVIOUS_" + hash("Größe"): "4",
		"CODER_EXTERNAL_AUTH_ACCESS_TOKEN_git-hub":  "t",
		"CODER_GIT_AUTH_ACCESS_TOKEN_git-hub":       "t",
	} {
		want[name] = value
	}
	if diff := cmp.Diff(want, withoutScripts(t, env)); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if !slices.IsSorted(env) {
		t.Error("the environment is not sorted")
	}
}

func TestWhatAnEnvironmentCannotHold(t *testing.T) {
	for name, req := range map[string]*pb.PlanRequest{
		"a name with =":    {ExternalAuthProviders: []*pb.ExternalAuthProvider{{Id: "a=b", AccessToken: "t"}}},
		"a name with NUL":  {ExternalAuthProviders: []*pb.ExternalAuthProvider{{Id: "a\x00b", AccessToken: "t"}}},
		"a value with NUL": {RichParameterValues: []*pb.RichParameterValue{{Name: "a", Value: "secret\x00"}}},
	} {
		env, err := Plan(req, false)
		if err == nil {
			t.Errorf("%s: no error but %q", name, env)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the value: %v", name, err)
		}
	}
}

func withoutScripts(t *testing.T, env []string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	scripts := 0
	for _, e := range env {
		name, value, ok := strings.Cut(e, "=")
		if _, twice := out[name]; !ok || twice {
			t.Errorf("%q stands there twice or is no variable", name)
		}
		if strings.HasPrefix(name, "CODER_AGENT_SCRIPT_") {
			scripts++
			continue
		}
		out[name] = value
	}
	if scripts != 7 {
		t.Errorf("%d scripts", scripts)
	}
	return out
}
