// Package configgraph derives the dependency graph of a template from its configuration: the graph that `terraform graph -type=plan` or
// `tofu graph -type=plan` would print, without a run of the engine.
//
// It makes the engine's vertices (resources, variables, locals, outputs, provider configurations, checks, and what opens and closes a module),
// connects them by reference and by module, and takes away the edges that engines take away. What a way between two resources can't lead
// through is left out: the root, what closes providers and ephemeral resources. For any two resources, the shortest way from one to the other has as
// many edges as in the engine's graph; nothing else of that graph is ever looked at.
//
// It does not know the schemas of providers. It needs none: a template that the engine has planned has no arguments but those that the
// schemas have. So it is right for templates with a plan only.
package configgraph

import (
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/mod/semver"

	"github.com/provisor/provisor/plugins/terraform/dot"
	"github.com/provisor/provisor/plugins/terraform/internal/config"
	"github.com/provisor/provisor/plugins/terraform/internal/modules"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// known are the versions of engines that this package has been compared with, without the last part. Others may have other graphs.
var known = map[string][]string{"terraform": {"v1.11"}, config.OpenTofu: {"v1.12"}}

// maxBytes is the most configuration, that of modules included, that an instance has the memory for.
const maxBytes = 1 << 20

// Derive is the graph of the template in the directory work, for the named engine of that version (a semantic version with a leading v), if
// the configuration has at most 1 MiB, and so many bytes that are not plain (see config.NewBodies). It has a node for each resource, labelled with its address without keys, and
// others without a label. The error says why it is not sure; then the engine has to be asked.
func Derive(work, engine, version string, notPlain int) (*dot.Graph, error) {
	if !slices.Contains(known[engine], semver.MajorMinor(version)) {
		return nil, fmt.Errorf("%s %s is not among the engines that are known well enough", engine, version)
	}
	return derive(os.DirFS(work), engine, modules.List(work), maxBytes, notPlain)
}

func derive(work fs.FS, engine string, installed []*pb.Module, bytes, notPlain int) (*dot.Graph, error) {
	bodies := config.NewBodies(work, engine, notPlain)
	if err := checkSize(bodies, installed, bytes); err != nil {
		return nil, err
	}
	tree, err := readTree(bodies, engine, installed)
	if err != nil {
		return nil, err
	}
	if err := checkState(work, tree); err != nil {
		return nil, err
	}
	return build(tree, engine)
}
