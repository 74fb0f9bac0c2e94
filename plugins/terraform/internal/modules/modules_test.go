package modules

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestList(t *testing.T) {
	cases := []struct {
		name     string
		manifest string
		want     []*pb.Module
	}{
		{
			name: "an engine's own",
			manifest: `{"Modules":[{"Key":"","Source":"","Dir":"."},` +
				`{"Key":"a","Source":"registry.terraform.io/x/y/z","Version":"1.2.3","Dir":".terraform/modules/a"},` +
				`{"Key":"a.b","Source":"./b","Dir":".terraform/modules/a/b"},{"Key":"local","Source":"./local","Dir":"local"}]}`,
			want: []*pb.Module{
				{Key: "a", Source: "registry.terraform.io/x/y/z", Version: "1.2.3", Dir: ".terraform/modules/a"},
				{Key: "a.b", Source: "./b", Dir: ".terraform/modules/a/b"},
				{Key: "local", Source: "./local", Dir: "local"},
			},
		},
		{name: "the root alone", manifest: `{"Modules":[{"Key":"","Source":"","Dir":"."}]}`},
		{name: "empty", manifest: ``},
		{name: "cut", manifest: `{"Modules":[{"Key":"a","Source":"x","Dir":"a"}`},
		{name: "of another shape", manifest: `{"Modules":[{"Key":"a","Source":"x","Dir":1}]}`},
		{name: "no list", manifest: `[]`},
		{name: "too long", manifest: manifestOf("a x a") + strings.Repeat(" ", maxManifest)},
		{name: "not UTF-8", manifest: `{"Modules":[{"Key":"` + "\xff" + `","Source":"x"}]}`, want: []*pb.Module{{Key: "\uFFFD", Source: "x"}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			work := tree{manifestName: c.manifest}.write(t)
			if diff := cmp.Diff(c.want, List(work), protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := List(t.TempDir()); got != nil {
		t.Errorf("no manifest: %v", got)
	}
	if got := List(tree{manifestName + "/": ""}.write(t)); got != nil {
		t.Errorf("the manifest is a directory: %v", got)
	}
}
