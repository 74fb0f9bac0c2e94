package plugin

import (
	"strings"
	"testing"

	"github.com/provisor/provisor/proto/guestpb"
)

func TestGrants(t *testing.T) {
	for name, test := range map[string]struct{ wanted, operator, got, missing string }{
		"what it wants":       {"TF_VAR_* TF_LOG", "TF_VAR_* TF_LOG CODER_*", "TF_LOG TF_VAR_*", ""},
		"everything":          {"*", "TF_VAR_* TF_LOG", "TF_LOG TF_VAR_*", "the variable *"},
		"more than granted":   {"TF_*", "TF_VAR_*", "TF_VAR_*", "the variable TF_*"},
		"less than granted":   {"TF_VAR_a", "TF_*", "TF_VAR_a", ""},
		"nothing in common":   {"HTTPS_PROXY PYTHONPATH", "TF_VAR_*", "", "the variable HTTPS_PROXY, the variable PYTHONPATH"},
		"nothing granted":     {"TF_LOG", "", "", "the variable TF_LOG"},
		"a prefix is no name": {"TF_LOG_PATH", "TF_LOG", "", "the variable TF_LOG_PATH"},
		"no star in common":   {"A*", "AB", "AB", "the variable A*"},
		"all is granted":      {"A* B", "*", "A* B", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := &guestpb.Manifest{Env: strings.Fields(test.wanted)}
			g := Grants{Env: strings.Fields(test.operator)}
			if got := strings.Join(g.Of(m).Env, " "); got != test.got {
				t.Errorf("got %q, want %q", got, test.got)
			}
			if got := g.Missing(m); got != test.missing {
				t.Errorf("missing is %q, want %q", got, test.missing)
			}
		})
	}
	m := &guestpb.Manifest{Programs: []string{"terraform", "sh"}}
	g := Grants{Programs: []string{"terraform", "git"}}
	if got := g.Of(m); strings.Join(got.Programs, " ") != "terraform" || !got.Program("terraform") || got.Program("sh") || g.Missing(m) != "the program sh" {
		t.Errorf("got %v, missing %s", got, g.Missing(m))
	}
}

func TestCheckGrants(t *testing.T) {
	good := Grants{Programs: []string{"terraform", "my-tool"}, Env: []string{"*", "TF_VAR_*", "A"}}
	if err := CheckGrants(good); err != nil {
		t.Error(err)
	}
	for _, bad := range []Grants{
		{Programs: []string{"/bin/sh"}}, {Programs: []string{""}}, {Env: []string{""}}, {Env: []string{"A=B"}}, {Env: []string{"A*B"}}, {Env: []string{"**"}},
		{Env: make([]string, 1000)},
	} {
		if CheckGrants(bad) == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}
