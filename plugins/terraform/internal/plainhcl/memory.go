package plainhcl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// memory is where the nodes of a tree come from: in a guest, to ask for the memory of each takes as long as all the rest.
type memory struct {
	blocks     pieces[block]
	attributes pieces[hclsyntax.Attribute]
	references pieces[reference]
	objects    pieces[object]
	keys       pieces[hclsyntax.ObjectConsKeyExpr]

	roots, attrs steps
}

// block has room for as many labels as most have.
type block struct {
	block  hclsyntax.Block
	body   hclsyntax.Body
	labels [2]string
}

// reference has room for as many steps as most have.
type reference struct {
	reference hclsyntax.ScopeTraversalExpr
	steps     [3]hcl.Traverser
}

// object has room for a few items.
type object struct {
	object hclsyntax.ObjectConsExpr
	items  [2]hclsyntax.ObjectConsItem
}

// pieces are nodes of one kind, made some at a time, and used again for the next tree.
type pieces[T any] struct {
	made [][]T
	used int
}

const atOnce = 16

func (p *pieces[T]) make() *T {
	i := p.used / atOnce
	if i == len(p.made) {
		p.made = append(p.made, make([]T, atOnce))
	}
	piece := &p.made[i][p.used%atOnce]
	p.used++
	return piece
}

// reset makes all pieces as if they were new.
func (p *pieces[T]) reset() {
	for ; p.used > 0; p.used -= min(p.used, atOnce) {
		clear(p.made[(p.used-1)/atOnce])
	}
}

// reset takes back the memory of all nodes.
func (m *memory) reset() {
	m.blocks.reset()
	m.attributes.reset()
	m.references.reset()
	m.objects.reset()
	m.keys.reset()
}

// steps are some of the names in references, as they stand in a tree: most names are there time and again, and each time they would take memory
// of their own.
type steps [16]struct {
	name string // the step has it as well, but not without a copy of all that is in there
	step hcl.Traverser
}

// of is where a name may be.
func (s *steps) of(name string) int {
	return (len(name) + int(name[0]) + int(name[len(name)-1])) % len(s)
}

// root is a name as the first step.
func (m *memory) root(name string) hcl.Traverser {
	known := &m.roots[m.roots.of(name)]
	if known.name != name {
		known.name, known.step = name, hcl.TraverseRoot{Name: name}
	}
	return known.step
}

// attr is a name as a later step.
func (m *memory) attr(name string) hcl.Traverser {
	known := &m.attrs[m.attrs.of(name)]
	if known.name != name {
		known.name, known.step = name, hcl.TraverseAttr{Name: name}
	}
	return known.step
}
