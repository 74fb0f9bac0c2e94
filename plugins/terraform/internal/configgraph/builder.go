package configgraph

import (
	"cmp"
	"maps"
	"slices"

	"github.com/provisor/provisor/plugins/terraform/dot"
	"github.com/provisor/provisor/plugins/terraform/internal/config"
)

type kind uint8

const (
	kindPlain kind = iota
	kindProvider
	kindCheck // a check, what reports it, or a data source within
)

// vertex is one of the engine's.
type vertex struct {
	kind       kind
	label      string     // of a resource
	from       *node      // the module in which the references are looked up
	references references // each one once
	down       []int32    // what it depends on
}

// builder makes the graph as engines do: the vertices, what connects them by their place in the tree of modules, and by reference; then
// each edge goes that a longer way makes superfluous.
type builder struct {
	engine   string
	tree     []*node // callers before what they call
	vertices []vertex
	edges    int
}

func build(tree []*node, engine string) (*dot.Graph, error) {
	b := &builder{engine: engine, tree: tree}
	for _, n := range tree {
		if len(n.resources)+len(n.variables)+len(n.locals)+len(n.outputs)+len(n.checks)+len(n.providers) > maxVertices {
			return nil, errTooBig
		}
		n.names = make(map[string][]int32, len(n.resources)+len(n.variables)+len(n.locals))
		b.vertices = slices.Grow(b.vertices, len(n.resources))
		if err := b.configureProviders(n); err != nil {
			return nil, err
		}
		if err := b.addResources(n); err != nil {
			return nil, err
		}
		b.addVariables(n)
		for _, name := range slices.Sorted(maps.Keys(n.locals)) {
			n.refer("local."+name, b.add(n, vertex{references: n.locals[name].distinct()}))
		}
		for _, name := range slices.Sorted(maps.Keys(n.outputs)) {
			v := b.add(n, vertex{references: n.outputs[name].all()})
			if n.parent != nil {
				n.parent.refer("module."+n.name+"."+name, v)
			}
		}
		b.addChecks(n)
		if len(b.vertices) > maxVertices {
			return nil, errTooBig
		}
	}
	b.pruneProviders()
	b.addModules()
	if len(b.vertices) > maxVertices {
		return nil, errTooBig
	}
	if err := b.connectReferences(); err != nil {
		return nil, err
	}
	return b.reduced()
}

// add makes a vertex that belongs to a module.
func (b *builder) add(n *node, v vertex) int32 {
	i := int32(len(b.vertices))
	if v.from == nil {
		v.from = n
	}
	b.vertices = append(b.vertices, v)
	n.inside = append(n.inside, i)
	return i
}

func (b *builder) connect(from, to int32) {
	if from != to {
		b.vertices[from].down = append(b.vertices[from].down, to)
		b.edges++
	}
}

// refer makes a vertex one of those that a name stands for in the module.
func (n *node) refer(name string, v int32) { n.names[name] = append(n.names[name], v) }

// addResources makes the vertices of resources, and connects them with the configurations of their providers.
func (b *builder) addResources(n *node) error {
	providers := make(map[string]int32) // by their names here, or -1
	for _, name := range n.order {
		r := n.resources[name]
		v := vertex{label: n.within(name), references: r.arguments.all()}
		if r.check != "" {
			v.kind = kindCheck
		}
		i := b.add(n, v)
		n.refer(name, i)
		local := cmp.Or(r.provider, impliedProvider(r.kind))
		provider, known := providers[local]
		if !known {
			address, err := n.provider(local, b.engine)
			if err != nil {
				return err
			}
			provider = resolve(n, address)
			providers[local] = provider
		}
		if provider >= 0 {
			b.connect(i, provider)
		}
	}
	return nil
}

// addVariables: a variable's value comes from the caller's scope, and its rules are looked at in its own. Terraform has a vertex for the
// rules where there are some, OpenTofu always.
func (b *builder) addVariables(n *node) {
	var inputs map[string]references
	if n.parent != nil {
		inputs = n.call.inputs.byName()
	}
	for _, name := range slices.Sorted(maps.Keys(n.variables)) {
		value := vertex{}
		if n.parent != nil {
			value.from, value.references = n.parent, inputs[name].distinct()
		}
		v := b.add(n, value)
		n.refer("var."+name, v)
		if b.engine == config.OpenTofu || n.validated[name] {
			rules := b.add(n, vertex{references: n.variables[name].distinct()})
			n.refer("var."+name, rules)
			b.connect(rules, v)
		}
	}
}

// addChecks: what reports a check comes before the check itself, and before the data source within.
func (b *builder) addChecks(n *node) {
	reports := make(map[string]int32, len(n.checks))
	for _, name := range slices.Sorted(maps.Keys(n.checks)) {
		check := b.add(n, vertex{kind: kindCheck, references: n.checks[name].distinct()})
		reports[name] = b.add(n, vertex{kind: kindCheck})
		b.connect(check, reports[name])
	}
	for name, r := range n.resources {
		if r.check != "" {
			b.connect(n.names[name][0], reports[r.check]) // resources come first
		}
	}
}

// addModules makes what opens and what closes each module that is called. All in it depends on the opening, the closing depends on all in it and
// in the modules that it calls. OpenTofu's closing does not wait for checks.
func (b *builder) addModules() {
	for _, n := range b.tree {
		if n.parent == nil {
			continue
		}
		inside := n.inside
		n.expansion = b.add(n, vertex{from: n.parent, references: n.call.expansion.all()})
		n.closer = b.add(n, vertex{from: n.parent})
		n.parent.refer("module."+n.name, n.closer)
		b.connect(n.closer, n.expansion)
		for _, v := range inside {
			b.connect(v, n.expansion)
			if b.engine != config.OpenTofu || b.vertices[v].kind != kindCheck {
				b.connect(n.closer, v)
			}
		}
		if n.parent.parent != nil {
			b.connect(n.expansion, n.parent.expansion)
			b.connect(n.parent.closer, n.closer) // the engine connects those above as well, which changes nothing
		}
	}
}

// connectReferences connects each vertex with those that its references stand for.
func (b *builder) connectReferences() error {
	for i := range b.vertices {
		for _, name := range b.vertices[i].references {
			for _, to := range b.vertices[i].from.names[name] {
				b.connect(int32(i), to)
			}
			if b.edges > maxEdges {
				return errTooBig
			}
		}
	}
	return nil
}
