package config

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// files makes a root directory of file contents by name.
func files(content map[string]string) fstest.MapFS {
	fsys := make(fstest.MapFS)
	for name, text := range content {
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return fsys
}

func TestParse(t *testing.T) {
	got := parse(files(map[string]string{
		"README.md": "# Hi",
		"main.tf": `
variable "list" {
  type    = list(any)
  default = ["<a&b>", 1, 2.50, null, { b = 1, a = 2 }]
}
data "coder_workspace_tags" "t" {
  tags = { "a" = data.x.y.z, b = "foo" }
}
`}), "terraform")
	want := &pb.ParseComplete{
		Readme: []byte("# Hi"),
		TemplateVariables: []*pb.TemplateVariable{{
			Name: "list", Type: "list(any)", DefaultValue: `["\u003ca\u0026b\u003e",1,2.5,null,{"a":2,"b":1}]`,
		}},
		WorkspaceTags: map[string]string{"a": "data.x.y.z", "b": `"foo"`},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}
