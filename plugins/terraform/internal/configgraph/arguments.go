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

// arguments are the references in a body, each with the name of the attribute or the type of the block that they stand in. Several can have one
// name; an override replaces them by name.
type arguments struct{ list []argument }

type argument struct {
	name       string
	references references
}

// add may keep r.
func (a *arguments) add(name string, r references) { a.list = append(a.list, argument{name, r}) }

func (a *arguments) all() references {
	var all references
	for _, x := range a.list {
		all = append(all, x.references...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (a *arguments) byName() map[string]references {
	named := make(map[string]references, len(a.list))
	for _, x := range a.list {
		named[x.name] = append(named[x.name], x.references...)
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
func partOf(body hcl.Body, schema *hcl.BodySchema) (*content, error) {
	c, _, diags := body.PartialContent(schema)
	if diags.HasErrors() {
		return nil, diags
	}
	return contentOf(c), nil
}

// wholeOf is a body of which the schema names everything; whatever else there is, is an error.
func wholeOf(body hcl.Body, schema *hcl.BodySchema) (*content, error) {
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		c, diags := body.Content(schema)
		if diags.HasErrors() {
			return nil, diags
		}
		return contentOf(c), nil
	}
	c, rest, err := splitNative(native, schema)
	if err == nil && len(rest.list) > 0 {
		err = fmt.Errorf("%q", rest.list[0].name)
	}
	return c, err
}

func contentOf(found *hcl.BodyContent) *content {
	c := &content{attributes: make(map[string]hcl.Expression, len(found.Attributes))}
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
func split(body hcl.Body, schema *hcl.BodySchema) (*content, *arguments, error) {
	if native, ok := body.(*hclsyntax.Body); ok {
		return splitNative(native, schema)
	}
	found, rest, diags := body.PartialContent(schema)
	if diags.HasErrors() {
		return nil, nil, diags
	}
	// In JSON, attributes and blocks look alike, and hold the same references as long as the names in there are just names: see
	// checkJSON.
	attributes, diags := rest.JustAttributes()
	if diags.HasErrors() {
		return nil, nil, diags
	}
	arguments := new(arguments)
	for name, a := range attributes {
		arguments.add(name, referencesOf(nil, a.Expr))
	}
	return contentOf(found), arguments, nil
}

// splitNative does in one go what PartialContent and JustAttributes take several for, with maps of their own for each body.
func splitNative(body *hclsyntax.Body, schema *hcl.BodySchema) (*content, *arguments, error) {
	c, arguments := new(content), new(arguments)
	for name, a := range body.Attributes {
		if !slices.ContainsFunc(schema.Attributes, func(s hcl.AttributeSchema) bool { return s.Name == name }) {
			arguments.add(name, referencesOf(nil, a.Expr))
			continue
		}
		if c.attributes == nil {
			c.attributes = make(map[string]hcl.Expression)
		}
		c.attributes[name] = a.Expr
	}
	for _, b := range body.Blocks {
		i := slices.IndexFunc(schema.Blocks, func(s hcl.BlockHeaderSchema) bool { return s.Type == b.Type })
		switch {
		case i < 0:
			if err := blockArguments(b, nil, arguments.add); err != nil {
				return nil, nil, err
			}
		case len(b.Labels) != len(schema.Blocks[i].LabelNames):
			return nil, nil, fmt.Errorf("%q with the labels %q", b.Type, b.Labels)
		default:
			c.blocks = append(c.blocks, block{b.Type, b.Labels, b.Body})
		}
	}
	return c, arguments, nil
}

// blockArguments hands the references in a block to add, with the block's type. names are those of the iterators of the dynamic blocks around.
func blockArguments(b *hclsyntax.Block, names []string, add func(name string, r references)) error {
	name := b.Type
	into := func(_ string, r references) { add(name, r) }
	if b.Type != "dynamic" {
		into("", nil)
		return bodyArguments(b.Body, names, into)
	}
	if len(b.Labels) != 1 {
		return errors.New("a dynamic block without a type")
	}
	name = b.Labels[0]
	return dynamicArguments(b, names, into)
}

// bodyArguments is the same for all in a body, with the name of each attribute and the type of each block.
func bodyArguments(body *hclsyntax.Body, names []string, add func(name string, r references)) error {
	for name, a := range body.Attributes {
		add(name, referencesOf(names, a.Expr))
	}
	for _, b := range body.Blocks {
		if err := blockArguments(b, names, add); err != nil {
			return err
		}
	}
	return nil
}

func dynamicArguments(b *hclsyntax.Block, names []string, add func(name string, r references)) error {
	iterator := b.Labels[0]
	if a := b.Body.Attributes["iterator"]; a != nil {
		t, diags := hcl.AbsTraversalForExpr(a.Expr)
		if diags.HasErrors() {
			return diags
		}
		iterator = t.RootName()
	}
	inside := append(names[:len(names):len(names)], iterator)
	for name, a := range b.Body.Attributes {
		switch name {
		case "for_each":
			add("", referencesOf(names, a.Expr))
		case "labels":
			add("", referencesOf(inside, a.Expr))
		case "iterator":
		default:
			return fmt.Errorf("a dynamic block with %q", name)
		}
	}
	for _, content := range b.Body.Blocks {
		if content.Type != "content" {
			return fmt.Errorf("a dynamic block with %q", content.Type)
		}
		if err := bodyArguments(content.Body, inside, add); err != nil {
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
			case isName && (template || t == "dynamic"):
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
