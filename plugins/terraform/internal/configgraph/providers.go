package configgraph

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/provisor/provisor/plugins/terraform/internal/config"
)

// builtin is the provider that is a part of the engine.
const builtin = "terraform.io/builtin/terraform"

// provider is the address of a provider configuration in a module, by the name that the module has for it: what it is for all modules,
// and the alias, if any.
func (n *node) provider(name, engine string) (string, error) {
	local, alias, _ := strings.Cut(name, ".")
	source := n.required[local]
	if source == "" {
		source = "hashicorp/" + local
		if local == "terraform" {
			source = builtin
		}
	}
	full, err := fullSource(source, engine)
	if err != nil {
		return "", err
	}
	if alias != "" {
		full += "." + alias
	}
	return full, nil
}

// fullSource is a provider's source with all its parts, so that equal ones are equal texts.
func fullSource(source, engine string) (string, error) {
	for _, c := range []byte(source) {
		if c != '/' && c != '.' && c != '-' && c != '_' && c != ':' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return "", fmt.Errorf("the provider %q", source)
		}
	}
	source = strings.ToLower(source)
	switch strings.Count(source, "/") {
	case 0:
		source = "hashicorp/" + source
	case 1:
	case 2:
		return source, nil
	default:
		return "", fmt.Errorf("the provider %q", source)
	}
	if engine == config.OpenTofu {
		return "registry.opentofu.org/" + source, nil
	}
	return "registry.terraform.io/" + source, nil
}

// impliedProvider is the name of the provider of a type, where none is given.
func impliedProvider(kind string) string {
	name, _, _ := strings.Cut(kind, "_")
	return name
}

// configureProviders makes the vertices of a module's own configurations, and notes what its caller passes to it. A configuration
// without content makes way for one that is passed.
func (b *builder) configureProviders(n *node) error {
	n.configured, n.passed = make(map[string]int32), make(map[string]string)
	if err := distinctSources(n, b.engine); err != nil {
		return err
	}
	if n.parent != nil {
		for _, inside := range slices.Sorted(maps.Keys(n.call.providers)) {
			address, err := n.provider(inside, b.engine)
			if err != nil {
				return err
			}
			outside, err := n.parent.provider(n.call.providers[inside], b.engine)
			if err != nil {
				return err
			}
			if source(address) != source(outside) {
				return fmt.Errorf("%s is passed as %s", outside, address)
			}
			n.passed[address] = outside
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.providers)) {
		address, err := n.provider(name, b.engine)
		if err != nil {
			return err
		}
		if _, passed := n.passed[address]; passed {
			continue // it has no content, or the engine would not have planned
		}
		vertex := b.add(n, vertex{kind: kindProvider, references: n.providers[name].all()})
		n.configured[address] = vertex
	}
	return nil
}

// distinctSources refuses a module that has two names for one provider: which of them counts for its configurations is hard to say.
func distinctSources(n *node, engine string) error {
	seen := make(map[string]bool)
	for name := range n.required {
		address, err := n.provider(name, engine)
		if err != nil {
			return err
		}
		if seen[address] {
			return errors.New("two names for " + address)
		}
		seen[address] = true
	}
	for name := range n.providers {
		local, _, _ := strings.Cut(name, ".")
		if _, listed := n.required[local]; listed {
			continue
		}
		address, err := n.provider(local, engine)
		if err != nil {
			return err
		}
		if seen[address] {
			return errors.New("two names for " + address)
		}
	}
	return nil
}

// source is an address without its alias.
func source(address string) string {
	slash := strings.LastIndexByte(address, '/')
	if dot := strings.IndexByte(address[slash+1:], '.'); dot >= 0 {
		return address[:slash+1+dot]
	}
	return address
}

// resolve finds the configuration that an address stands for in a module: its own, one that is passed, or that of the modules above, which can
// only be one without an alias. Where no block stands for it, there is no vertex, and this is -1.
func resolve(n *node, address string) int32 {
	for n != nil {
		if v, ok := n.configured[address]; ok {
			return v
		}
		if outside, ok := n.passed[address]; ok {
			address = outside
		}
		n = n.parent
	}
	return -1
}

// pruneProviders has modules not wait for the configurations that no resource uses. Then nothing leads to them.
func (b *builder) pruneProviders() {
	used := make([]bool, len(b.vertices))
	for _, v := range b.vertices {
		for _, to := range v.down {
			used[to] = true
		}
	}
	for _, n := range b.tree {
		n.inside = slices.DeleteFunc(n.inside, func(i int32) bool { return b.vertices[i].kind == kindProvider && !used[i] })
	}
}
