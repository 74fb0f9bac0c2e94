package configgraph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// arguments are the references in a body, each with the name of the attribute or the type of the block that it stands in; an override replaces
// them by name.
type arguments struct{ list []argument }

type argument struct {
	name      string
	reference string // or "", where there is none
}

// add adds references of one name, also if there are none.
func (a *arguments) add(name string, r references) {
	if len(r) == 0 {
		a.list = append(a.list, argument{name: name})
	}
	for _, reference := range r {
		a.list = append(a.list, argument{name, reference})
	}
}

// addExpression adds the references in an expression. Roots that are in names are something else here, see referencesOf.
func (a *arguments) addExpression(name string, names []string, e hcl.Expression) {
	before := len(a.list)
	eachReference(names, e, func(reference string) { a.list = append(a.list, argument{name, reference}) })
	if len(a.list) == before {
		a.add(name, nil)
	}
}

// all has each reference once.
func (a *arguments) all() references {
	all := make(references, 0, len(a.list))
	for _, x := range a.list {
		if x.reference != "" {
			all = append(all, x.reference)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (a *arguments) byName() map[string]references {
	named := make(map[string]references, len(a.list))
	for _, x := range a.list {
		r := named[x.name]
		if x.reference != "" {
			r = append(r, x.reference)
		}
		named[x.name] = r
	}
	return named
}

// replace has other arguments replace those of the same name.
func (a *arguments) replace(by *arguments) {
	named := by.byName()
	a.list = slices.DeleteFunc(a.list, func(x argument) bool {
		_, replaced := named[x.name]
		return replaced
	})
	a.list = append(a.list, by.list...)
}

// content is what a schema names in a body.
type content struct {
	attributes map[string]hcl.Expression
	blocks     []block
}

type block struct {
	kind   string
	labels []string
	body   hcl.Body
}

// ofKind are the blocks of a type.
func (c *content) ofKind(kind string) (list []block) {
	for _, b := range c.blocks {
		if b.kind == kind {
			list = append(list, b)
		}
	}
	return list
}

// partOf takes what the schema names out of a body, of which the rest does not matter.
func partOf(body hcl.Body, schema *hcl.BodySchema) (content, error) {
	c, _, diags := body.PartialContent(schema)
	if diags.HasErrors() {
		return content{}, diags
	}
	return contentOf(c), nil
}

// wholeOf is a body of which the schema names everything; whatever else there is, is an error.
func wholeOf(body hcl.Body, schema *hcl.BodySchema) (content, error) {
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		c, diags := body.Content(schema)
		if diags.HasErrors() {
			return content{}, diags
		}
		return contentOf(c), nil
	}
	c, rest, err := splitNative(native, schema)
	if err == nil && len(rest.list) > 0 {
		err = fmt.Errorf("%q", rest.list[0].name)
	}
	return c, err
}

func contentOf(found *hcl.BodyContent) content {
	c := content{attributes: make(map[string]hcl.Expression, len(found.Attributes))}
	for name, a := range found.Attributes {
		c.attributes[name] = a.Expr
	}
	for _, b := range found.Blocks {
		c.blocks = append(c.blocks, block{b.Type, b.Labels, b.Body})
	}
	return c
}

// split takes what the schema names out of a body, and returns the references in all the rest. Which names the rest may have is the
// business of a provider's schema, which is not known here: the engine has planned with it, so they are right.
func split(body hcl.Body, schema *hcl.BodySchema) (content, arguments, error) {
	if native, ok := body.(*hclsyntax.Body); ok {
		return splitNative(native, schema)
	}
	found, rest, diags := body.PartialContent(schema)
	if diags.HasErrors() {
		return content{}, arguments{}, diags
	}
	// In JSON, attributes and blocks look alike, and hold the same references as long as the names in there are just names: see
	// checkJSON.
	attributes, diags := rest.JustAttributes()
	if diags.HasErrors() {
		return content{}, arguments{}, diags
	}
	var a arguments
	for name, attribute := range attributes {
		a.addExpression(name, nil, attribute.Expr)
	}
	return contentOf(found), a, nil
}

// splitNative does in one go what PartialContent and JustAttributes take several for, with maps of their own for each body.
func splitNative(body *hclsyntax.Body, schema *hcl.BodySchema) (c content, rest arguments, err error) {
	rest.list = make([]argument, 0, len(body.Attributes)+len(body.Blocks)+1)
	for name, a := range body.Attributes {
		if !hasAttribute(schema, name) {
			rest.addExpression(name, nil, a.Expr)
			continue
		}
		if c.attributes == nil {
			c.attributes = make(map[string]hcl.Expression)
		}
		c.attributes[name] = a.Expr
	}
	for _, b := range body.Blocks {
		s := schemaOf(schema, b.Type)
		switch {
		case s == nil:
			name := b.Type
			if name == dynamic && len(b.Labels) == 1 {
				name = b.Labels[0]
			}
			rest.add(name, nil)
			if err := rest.addBlock(name, nil, b); err != nil {
				return content{}, arguments{}, err
			}
		case len(b.Labels) != len(s.LabelNames):
			return content{}, arguments{}, fmt.Errorf("%q with the labels %q", b.Type, b.Labels)
		default:
			c.blocks = append(c.blocks, block{b.Type, b.Labels, b.Body})
		}
	}
	return c, rest, nil
}

func hasAttribute(schema *hcl.BodySchema, name string) bool {
	for i := range schema.Attributes {
		if schema.Attributes[i].Name == name {
			return true
		}
	}
	return false
}

// schemaOf is that of a type of block, or nil.
func schemaOf(schema *hcl.BodySchema, kind string) *hcl.BlockHeaderSchema {
	for i := range schema.Blocks {
		if schema.Blocks[i].Type == kind {
			return &schema.Blocks[i]
		}
	}
	return nil
}

// dynamic is the type of a block that stands for others.
const dynamic = "dynamic"

// addBlock adds all references in a block by one name. names are those of the iterators of the dynamic blocks around.
func (a *arguments) addBlock(name string, names []string, b *hclsyntax.Block) error {
	if b.Type != dynamic {
		return a.addBody(name, names, b.Body)
	}
	if len(b.Labels) != 1 {
		return errors.New("a dynamic block without a type")
	}
	iterator := b.Labels[0]
	if a := b.Body.Attributes["iterator"]; a != nil {
		t, diags := hcl.AbsTraversalForExpr(a.Expr)
		if diags.HasErrors() {
			return diags
		}
		iterator = t.RootName()
	}
	inside := append(names[:len(names):len(names)], iterator)
	for attribute, x := range b.Body.Attributes {
		switch attribute {
		case "for_each":
			a.addExpression(name, names, x.Expr)
		case "labels":
			a.addExpression(name, inside, x.Expr)
		case "iterator":
		default:
			return fmt.Errorf("a dynamic block with %q", attribute)
		}
	}
	for _, content := range b.Body.Blocks {
		if content.Type != "content" {
			return fmt.Errorf("a dynamic block with %q", content.Type)
		}
		if err := a.addBody(name, inside, content.Body); err != nil {
			return err
		}
	}
	return nil
}

// addBody is the same for a body.
func (a *arguments) addBody(name string, names []string, body *hclsyntax.Body) error {
	for _, x := range body.Attributes {
		eachReference(names, x.Expr, func(reference string) { a.list = append(a.list, argument{name, reference}) })
	}
	for _, b := range body.Blocks {
		if err := a.addBlock(name, names, b); err != nil {
			return err
		}
	}
	return nil
}

// checkJSON refuses what means one thing in a block and another in an attribute: names with templates in them, comments with templates
// in them, and dynamic blocks.
func checkJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	var open []bool // of each bracket, whether it is an object's
	isName := false // whether a string would be a name
	comments := 0   // the depth of the outermost comment, or 0
	for {
		t, err := d.Token()
		if err != nil {
			break // the end; what is no JSON, the parser has refused
		}
		switch t := t.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				open = append(open, t == '{')
			} else {
				open = open[:len(open)-1]
			}
		case string:
			template := strings.Contains(t, "${") || strings.Contains(t, "%{")
			switch {
			case isName && (template || t == dynamic):
				return fmt.Errorf("JSON with the name %q", t)
			case template && comments > 0:
				return errors.New("JSON with a template in a comment")
			case isName && t == "//" && comments == 0:
				comments = len(open)
				isName = false
				continue
			}
		}
		if comments == len(open) { // the comment's value has ended
			comments = 0
		}
		named := isName
		isName = len(open) > 0 && open[len(open)-1] && !named
		if _, opened := t.(json.Delim); opened {
			isName = len(open) > 0 && open[len(open)-1]
		}
	}
	return nil
}
