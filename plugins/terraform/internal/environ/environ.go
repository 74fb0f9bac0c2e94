// Package environ is the part of the engine's environment that describes the workspace: what the coder provider reads
// while it plans and applies. The host adds what every program gets.
package environ

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Apply is the environment of an apply, as NAME=value, sorted by name. debug turns the engine's own log on.
func Apply(m *pb.Metadata, debug bool) ([]string, error) {
	v := workspace(m)
	if debug {
		v["TF_LOG"] = "JSON"
	}
	return v.list()
}

// Plan is the environment of a plan: that of an apply, and the values that the client chose.
func Plan(req *pb.PlanRequest, debug bool) ([]string, error) {
	v := workspace(req.GetMetadata())
	if debug {
		v["TF_LOG"] = "JSON"
	}
	for _, p := range req.GetRichParameterValues() {
		v["CODER_PARAMETER_"+digest(p.GetName())] = p.GetValue()
	}
	for _, p := range req.GetPreviousParameterValues() {
		v["CODER_PARAMETER_PREVIOUS_"+digest(p.GetName())] = p.GetValue()
	}
	for _, a := range req.GetExternalAuthProviders() {
		v["CODER_EXTERNAL_AUTH_ACCESS_TOKEN_"+a.GetId()] = a.GetAccessToken()
		v["CODER_GIT_AUTH_ACCESS_TOKEN_"+a.GetId()] = a.GetAccessToken() // its name in old providers
	}
	return v.list()
}

type variables map[string]string

// workspace has a value for every variable that plan and apply share, even where it is empty.
func workspace(m *pb.Metadata) variables {
	v := variables{
		"CODER_AGENT_URL":                         m.GetCoderUrl(),
		"CODER_WORKSPACE_TRANSITION":              strings.ToLower(m.GetWorkspaceTransition().String()),
		"CODER_WORKSPACE_NAME":                    m.GetWorkspaceName(),
		"CODER_WORKSPACE_ID":                      m.GetWorkspaceId(),
		"CODER_WORKSPACE_BUILD_ID":                m.GetWorkspaceBuildId(),
		"CODER_WORKSPACE_OWNER":                   m.GetWorkspaceOwner(),
		"CODER_WORKSPACE_OWNER_ID":                m.GetWorkspaceOwnerId(),
		"CODER_WORKSPACE_OWNER_NAME":              m.GetWorkspaceOwnerName(),
		"CODER_WORKSPACE_OWNER_EMAIL":             m.GetWorkspaceOwnerEmail(),
		"CODER_WORKSPACE_OWNER_GROUPS":            groups(m.GetWorkspaceOwnerGroups()),
		"CODER_WORKSPACE_OWNER_RBAC_ROLES":        roles(m.GetWorkspaceOwnerRbacRoles()),
		"CODER_WORKSPACE_OWNER_LOGIN_TYPE":        m.GetWorkspaceOwnerLoginType(),
		"CODER_WORKSPACE_OWNER_SSH_PUBLIC_KEY":    m.GetWorkspaceOwnerSshPublicKey(),
		"CODER_WORKSPACE_OWNER_SSH_PRIVATE_KEY":   m.GetWorkspaceOwnerSshPrivateKey(),
		"CODER_WORKSPACE_OWNER_SESSION_TOKEN":     m.GetWorkspaceOwnerSessionToken(),
		"CODER_WORKSPACE_OWNER_OIDC_ACCESS_TOKEN": m.GetWorkspaceOwnerOidcAccessToken(),
		"CODER_WORKSPACE_TEMPLATE_ID":             m.GetTemplateId(),
		"CODER_WORKSPACE_TEMPLATE_NAME":           m.GetTemplateName(),
		"CODER_WORKSPACE_TEMPLATE_VERSION":        m.GetTemplateVersion(),
		"CODER_TASK_ID":                           m.GetTaskId(),
		"CODER_TASK_PROMPT":                       m.GetTaskPrompt(),
	}
	switch m.GetPrebuiltWorkspaceBuildStage() {
	case pb.PrebuiltWorkspaceBuildStage_CREATE:
		v["CODER_WORKSPACE_IS_PREBUILD"] = "true"
	case pb.PrebuiltWorkspaceBuildStage_CLAIM:
		v["CODER_WORKSPACE_IS_PREBUILD_CLAIM"] = "true"
	}
	v.addAgentTokens(m.GetRunningAgentAuthTokens())
	for platform, script := range scripts {
		v["CODER_AGENT_SCRIPT_"+platform] = script
	}
	return v
}

// addAgentTokens names each token after its agent. A single one has no agent in its name, since a provider that knows
// just one agent asks for it that way.
func (v variables) addAgentTokens(tokens []*pb.RunningAgentAuthToken) {
	for _, t := range tokens {
		agent := t.GetAgentId()
		if len(tokens) == 1 {
			agent = ""
		}
		v["CODER_RUNNING_WORKSPACE_AGENT_TOKEN_"+digest(agent)] = t.GetToken()
	}
}

// list checks what came from the client: a name or value that an environment can't hold would change another one's meaning.
func (v variables) list() ([]string, error) {
	out := make([]string, 0, len(v))
	for name, value := range v {
		if strings.ContainsAny(name, "=\x00") {
			return nil, fmt.Errorf("the environment can't hold a variable of the name %q: a name has no \"=\" and no NUL byte", name)
		}
		if strings.Contains(value, "\x00") {
			return nil, fmt.Errorf("the environment can't hold the value of %s: it has a NUL byte", name)
		}
		out = append(out, name+"="+value)
	}
	slices.Sort(out)
	return out, nil
}

// digest makes any text fit for a variable's name.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func groups(names []string) string {
	if names == nil {
		names = []string{}
	}
	return encode(names)
}

func roles(list []*pb.Role) string {
	type role struct {
		Name  string `json:"name"`
		OrgID string `json:"org_id"`
	}
	out := make([]role, 0, len(list))
	for _, r := range list {
		out = append(out, role{r.GetName(), r.GetOrgId()})
	}
	return encode(out)
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and slices of them always encode
	}
	return string(b)
}
