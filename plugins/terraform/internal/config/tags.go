package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

const tagsType = "coder_workspace_tags"

// A tagSet collects the tags of all data sources of that type in native syntax. Its errors wait until it is clear that
// the module as such can be read.
type tagSet struct{ blocks []tagBlock }

// A tagBlock is one data source.
type tagBlock struct {
	name string
	tags []tag
	err  error
}

// A tag is a key and the source text of the expression that is its value.
type tag struct {
	key, value string
	at         hcl.Range
}

var tagsSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "tags"}}}

// add takes the data sources of a file. One of an override file takes the place of an earlier one if it has tags.
func (s *tagSet) add(f *file) {
	if f.json {
		return
	}
	for _, block := range f.content.Blocks.OfType("data") {
		if block.Labels[0] != tagsType {
			continue
		}
		content, _, _ := block.Body.PartialContent(tagsSchema) // the schema allows all that the syntax allows
		attr, ok := content.Attributes["tags"]
		read := tagBlock{name: block.Labels[1]}
		if ok {
			read.tags, read.err = readTags(attr, f.bytes)
		} else {
			read.err = atRange(block.DefRange, errors.New(`"tags" attribute is required by coder_workspace_tags`))
		}
		if f.override && s.override(read, ok) {
			continue
		}
		s.blocks = append(s.blocks, read)
	}
}

// override lets a block take the place of that with the same name, and tells whether there is one.
func (s *tagSet) override(by tagBlock, hasTags bool) bool {
	for i := range s.blocks {
		if s.blocks[i].name != by.name {
			continue
		}
		if hasTags {
			s.blocks[i] = by
		}
		return true
	}
	return false
}

// merged is all tags together.
func (s *tagSet) merged() (map[string]string, error) {
	var merged map[string]string
	for _, block := range s.blocks {
		if block.err != nil {
			return nil, block.err
		}
		for _, t := range block.tags {
			if _, ok := merged[t.key]; ok {
				return nil, atRange(t.at, fmt.Errorf(`workspace tag "%s" is defined multiple times`, t.key))
			}
			if merged == nil {
				merged = make(map[string]string)
			}
			merged[t.key] = t.value
		}
	}
	return merged, nil
}

func readTags(attr *hcl.Attribute, text []byte) ([]tag, error) {
	object, ok := attr.Expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		return nil, atRange(attr.Range, errors.New(`"tags" attribute is expected to be a key-value map`))
	}
	var tags []tag
	for _, item := range object.Items {
		at := item.KeyExpr.Range()
		tags = append(tags, tag{
			key:   printable(unquote(string(at.SliceBytes(text)))),
			value: printable(string(item.ValueExpr.Range().SliceBytes(text))),
			at:    at,
		})
	}
	return tags, nil
}

// unquote takes the quotes off a key, and nothing else: its expression is not evaluated.
func unquote(key string) string {
	if inner, ok := strings.CutPrefix(key, `"`); ok {
		if inner, ok = strings.CutSuffix(inner, `"`); ok {
			return inner
		}
	}
	return key
}

// atRange says where in the configuration an error is.
func atRange(at hcl.Range, err error) error {
	return fmt.Errorf("%s:%d: %w", at.Filename, at.Start.Line, err)
}
