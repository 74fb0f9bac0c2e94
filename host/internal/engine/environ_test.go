package engine

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnviron(t *testing.T) {
	e := &Engine{passed: []string{"HTTPS_PROXY=http://proxy", "TF_LOG=INFO"}}
	dirs := Dirs{Home: "/h", Tmp: "/t", CLIConfig: "/c"}
	got := e.Environ(dirs, []string{"TF_VAR_a=x=y", "TF_LOG=JSON", "CODER_AGENT_URL=", "PATH=/evil", "HOME=/evil", "TF_CLI_CONFIG_FILE=/evil",
		"TF_CLI_ARGS_plan=-destroy", "LD_PRELOAD=/evil", "nonsense"}, 4<<30)
	want := []string{
		"CHECKPOINT_DISABLE=1", "CODER_AGENT_URL=", "GOGC=400", "GOMEMLIMIT=2147483648", "HOME=/h", "HTTPS_PROXY=http://proxy", "PATH=" + DefaultPath(), "TF_CLI_CONFIG_FILE=/c",
		"TF_INPUT=0", "TF_IN_AUTOMATION=1", "TF_LOG=JSON", "TF_VAR_a=x=y", "TMPDIR=/t",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	e = &Engine{passed: []string{"PATH=/operators", "TF_CLI_CONFIG_FILE=/operators.tfrc", "GOGC=50"}}
	want = []string{
		"CHECKPOINT_DISABLE=1", "GOGC=50", "HOME=/h", "PATH=/operators", "TF_CLI_CONFIG_FILE=/operators.tfrc", "TF_INPUT=0", "TF_IN_AUTOMATION=1", "TMPDIR=/t",
	}
	if diff := cmp.Diff(want, e.Environ(Dirs{Home: "/h", Tmp: "/t", CLIConfig: "/c"}, nil, 0)); diff != "" {
		t.Error(diff)
	}
}

func TestResolveEnv(t *testing.T) {
	daemon := map[string]string{"AWS_REGION": "eu", "EMPTY": "", "CODER_TOKEN": "secret"}
	lookup := func(name string) (string, bool) { v, ok := daemon[name]; return v, ok }
	tests := []struct {
		name     string
		operator []string
		want     []string
		err      string
	}{
		{name: "nothing"},
		{name: "values", operator: []string{"B=2", "A=1=1", "C="}, want: []string{"A=1=1", "B=2", "C="}},
		{name: "from the daemon", operator: []string{"AWS_REGION", "EMPTY", "ABSENT"}, want: []string{"AWS_REGION=eu", "EMPTY="}},
		{name: "the last one wins", operator: []string{"AWS_REGION=us", "AWS_REGION"}, want: []string{"AWS_REGION=eu"}},
		{name: "no name", operator: []string{"=x"}, err: "neither NAME nor NAME=VALUE"},
		{name: "empty", operator: []string{""}, err: "neither NAME nor NAME=VALUE"},
		{name: "NUL", operator: []string{"A=\x00"}, err: "neither NAME nor NAME=VALUE"},
		{name: "a session's own", operator: []string{"TF_PLUGIN_CACHE_DIR=/x"}, err: "TF_PLUGIN_CACHE_DIR can't be let through"},
		{name: "the control plane's", operator: []string{"CODER_TOKEN"}, err: "CODER_TOKEN can't be let through"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := resolveEnv(test.operator, lookup)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v, want %q", err, test.err)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
}

func TestNotices(t *testing.T) {
	got := Notices([]string{"TF_WORKSPACE=w", "PATH=/bin", "TF_TOKEN_example_com=secret", "TF_LOG=", "TF_CLI_CONFIG_FILE=/a=b", "TF_VAR_x=secret", "XTF_LOG=no"})
	want := []string{
		"terraform environment variable: TF_CLI_CONFIG_FILE=/a=b",
		"terraform environment variable: TF_LOG=",
		"terraform environment variable: TF_TOKEN_example_com=<value redacted>",
		"terraform environment variable: TF_VAR_x=<value redacted>",
		"terraform environment variable: TF_WORKSPACE=w",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
