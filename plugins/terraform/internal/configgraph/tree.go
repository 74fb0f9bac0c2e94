package configgraph

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"

	"github.com/provisor/provisor/plugins/terraform/internal/config"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// node is a module in the tree of calls: its content, and where it is called. The root is called by nobody.
type node struct {
	*module
	address  string // module.a.module.b; empty for the root
	parent   *node
	name     string // of the call
	call     *call
	children []*node // by name

	// What the graph makes of it.
	names             map[string][]int32 // vertices by what they are referred to as in here
	expansion, closer int32
	inside            []int32           // all vertices that belong to it
	configured        map[string]int32  // vertices of provider configurations, by address here: FQN or FQN.ALIAS
	passed            map[string]string // the address of a configuration in the parent, by that in here
}

// readTree reads the root module and all that it calls, directly or not. installed are the modules that the engine lists.
func readTree(bodies *config.Bodies, engine string, installed []*pb.Module) ([]*node, error) {
	dirs := make(map[string]string, len(installed))
	for _, m := range installed {
		dirs[m.GetKey()] = m.GetDir()
	}
	read := make(map[string]*module) // by directory: many calls may be of the same
	var all []*node
	bytes := 0
	add := func(key, dir string, n *node) error {
		dir = moduleDir(dir)
		if !filepath.IsLocal(filepath.FromSlash(dir)) {
			return fmt.Errorf("the module %q is in %q", key, dir)
		}
		m := read[dir]
		if m == nil {
			var err error
			if m, err = readModule(bodies, dir, engine); err != nil {
				return fmt.Errorf("%s: %w", dir, err)
			}
			read[dir] = m
		}
		if bytes += m.bytes; bytes > maxCalledBytes {
			return errTooBig
		}
		n.module = m
		all = append(all, n)
		return nil
	}
	root := &node{}
	if err := add("", ".", root); err != nil {
		return nil, err
	}
	// Each key is in the engine's list once, and a called module's key is longer than that of its caller: this ends.
	keys := map[*node]string{root: ""}
	for i := 0; i < len(all); i++ {
		n := all[i]
		for _, name := range slices.Sorted(maps.Keys(n.calls)) {
			key := name
			address := "module." + name
			if n.parent != nil {
				key, address = keys[n]+"."+name, n.address+"."+address
			}
			dir, ok := dirs[key]
			if !ok {
				return nil, fmt.Errorf("the engine lists no module %q", key)
			}
			child := &node{address: address, parent: n, name: name, call: n.calls[name]}
			keys[child] = key
			if err := add(key, dir, child); err != nil {
				return nil, err
			}
			n.children = append(n.children, child)
		}
		if len(all) > maxVertices {
			return nil, errTooBig
		}
	}
	return all, nil
}

// checkSize refuses what has more bytes, before any of it is read.
func checkSize(bodies *config.Bodies, installed []*pb.Module, bytes int) error {
	dirs := map[string]bool{".": true}
	for _, m := range installed {
		dirs[moduleDir(m.GetDir())] = true
	}
	for dir := range dirs {
		size, err := bodies.Size(dir)
		if err != nil {
			continue // it may be a module that is not called any more
		}
		if bytes -= size; bytes < 0 {
			return errTooBig
		}
	}
	return nil
}

// moduleDir is a directory of the engine's list as a path in a file system.
func moduleDir(dir string) string { return path.Clean(filepath.ToSlash(dir)) }

// The bounds of a graph, whatever the size of its configuration. What can be reached from each vertex takes a bit for each other, 8 MB in all.
const (
	maxVertices = 8_000
	maxEdges    = 500_000
	// maxCalledBytes is for the configuration of all modules, as often as they are called: each call takes time and memory for all that
	// its module says.
	maxCalledBytes = 8 << 20
)

var errTooBig = errors.New("the configuration is too big")

// within is the address of something in the module.
func (n *node) within(name string) string {
	if n.parent == nil {
		return name
	}
	return n.address + "." + name
}
