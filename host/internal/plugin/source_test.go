package plugin

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
)

func TestParseSource(t *testing.T) {
	got, diags := parseSource([]byte(`
name        = "terraform"
version     = "0.1.0"
description = "Provisions"
license     = "Apache-2.0"
requests    = ["init", "graph"] # and no others
programs    = ["terraform"]
env         = ["TF_VAR_*"]
snapshot    = true
keep_files  = ["terraform.tfstate"]
`), "plugin.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	want := &guestpb.Manifest{
		Name: "terraform", Version: "0.1.0", Description: "Provisions", License: "Apache-2.0", AbiVersion: abi.Version,
		Requests: []string{"init", "graph"}, Programs: []string{"terraform"}, Env: []string{"TF_VAR_*"}, Snapshot: true,
		KeepFiles: []string{"terraform.tfstate"},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

// Every error says where to look.
func TestParseSourceRefuses(t *testing.T) {
	const good = "name = \"a\"\nversion = \"1.0.0\"\nrequests = [\"init\"]\n"
	tests := map[string]struct{ source, want string }{
		"nothing":                   {"", `plugin.hcl:1,1-1: Missing required argument; The argument "name" is required`},
		"a syntax error":            {good + "license = \n", "plugin.hcl:4,11-5,1: Invalid expression"},
		"an unknown name":           {good + "licence = \"MIT\"\n", `plugin.hcl:4,1-8: Unsupported argument; An argument named "licence" is not expected here. Did you mean "license"?`},
		"an unknown block":          {good + "grant {\n}\n", "plugin.hcl:4,1-6: Unsupported block type"},
		"a value of the wrong type": {good + "snapshot = \"perhaps\"\n", "plugin.hcl:4,13-20: Unsuitable value type; Unsuitable value: a bool is required"},
		"a variable":                {good + "license = var.license\n", "plugin.hcl:4,11-14: Variables not allowed"},
		"a value that is wrong":     {strings.Replace(good, "1.0.0", "1.0", 1), `plugin.hcl:2,1-16: version; "1.0" is not a semantic version like 1.2.3`},
		"an entry that is wrong":    {strings.Replace(good, "init", "destroy", 1), `plugin.hcl:3,1-23: requests; "destroy" is not one of`},
		"the ABI's version":         {good + "abi_version = 1\n", `An argument named "abi_version" is not expected here`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, diags := parseSource([]byte(test.source), "plugin.hcl")
			if !diags.HasErrors() || !strings.Contains(diags.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", diags, test.want)
			}
		})
	}
}

func FuzzParseSource(f *testing.F) {
	f.Add([]byte("name = \"a\"\nversion = \"1.0.0\"\nrequests = [\"init\"]\n"))
	f.Add([]byte("name = null\nrequests = [null, \"${1}\"]"))
	f.Fuzz(func(t *testing.T, src []byte) {
		m, diags := parseSource(src, "plugin.hcl")
		if !diags.HasErrors() && len(problems(m)) > 0 {
			t.Errorf("%v was taken", m)
		}
	})
}
