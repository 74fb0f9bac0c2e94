package configgraph

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/provisor/provisor/plugins/terraform/internal/config"
)

var resourceSchema = &hcl.BodySchema{
	Attributes: attributes("count", "for_each", "depends_on", "provider"),
	Blocks: []hcl.BlockHeaderSchema{
		{Type: "lifecycle"}, {Type: "connection"}, {Type: "provisioner", LabelNames: named("type")},
	},
}

// resource reads a resource, a data source or an ephemeral resource: mode is what its address begins with.
func (r *reader) resource(mode string, b block, check string) error {
	content, found, err := split(b.body, resourceSchema)
	if err != nil {
		return err
	}
	if err := reserved(&found); err != nil {
		return err
	}
	read := resource{kind: b.labels[0], check: check}
	if err := r.dependsOn(&content, &found); err != nil {
		return err
	}
	for name, a := range content.attributes {
		switch name {
		case "count", "for_each":
			found.addExpression(name, nil, a)
		case "provider":
			if read.provider, err = providerName(a); err != nil {
				return err
			}
		}
	}
	for _, b := range content.blocks {
		if b.kind != "lifecycle" && mode != "" {
			return fmt.Errorf("%q", b.kind)
		}
		more, err := r.metaBlock(b)
		if err != nil {
			return fmt.Errorf("%s: %w", b.kind, err)
		}
		found.add(b.kind, more)
	}
	name := mode + b.labels[0] + "." + b.labels[1]
	known := r.resources[name]
	switch {
	case (known != nil) != r.override:
		return errTwice
	case r.override:
		known.arguments.replace(&found)
		if read.provider != "" {
			known.provider = read.provider
		}
	default:
		read.arguments = found
		r.resources[name] = &read
		r.order = append(r.order, name)
	}
	return nil
}

// metaBlock are the references in a block that means the same in all resources.
func (r *reader) metaBlock(b block) (references, error) {
	switch b.kind {
	case "lifecycle":
		return r.lifecycle(b.body)
	case "provisioner":
		return provisioner(b.body)
	}
	return allArguments([]block{b})
}

// lifecycle: conditions, and what triggers a replacement. Everything else has to be fixed, but what OpenTofu lets depend on others.
func (r *reader) lifecycle(body hcl.Body) (references, error) {
	if r.override {
		return nil, errors.New("it is in an override")
	}
	content, rest, err := split(body, &hcl.BodySchema{Attributes: attributes("ignore_changes", "replace_triggered_by")})
	if err != nil {
		return nil, err
	}
	var all references
	if a := content.attributes["replace_triggered_by"]; a != nil {
		if _, native := body.(*hclsyntax.Body); !native {
			return nil, errors.New("replace_triggered_by in JSON")
		}
		all = referencesOf(nil, a)
	}
	for _, x := range rest.list {
		switch x.name {
		case "precondition", "postcondition":
		case "create_before_destroy":
			if x.reference != "" {
				return nil, fmt.Errorf("a %s that is not fixed", x.name)
			}
		case "prevent_destroy", "enabled":
			if x.reference != "" && r.engine != config.OpenTofu {
				return nil, fmt.Errorf("a %s that is not fixed", x.name)
			}
		default:
			return nil, fmt.Errorf("%q", x.name)
		}
		if x.reference != "" {
			all = append(all, x.reference)
		}
	}
	return all, nil
}

// provisioner: one that runs when its resource is destroyed can refer to that alone.
func provisioner(body hcl.Body) (references, error) {
	content, found, err := split(body, &hcl.BodySchema{Attributes: attributes("when", "on_failure")})
	if err != nil {
		return nil, err
	}
	if a := content.attributes["when"]; a != nil {
		switch when, err := keyword(a); {
		case err != nil:
			return nil, err
		case when == "destroy":
			return nil, nil
		}
	}
	return found.all(), nil
}

// mayCallProvider says whether there may be a call of a provider's function, for which OpenTofu has edges.
func mayCallProvider(text []byte) bool {
	for {
		i := bytes.Index(text, []byte("::"))
		if i < 0 {
			return false
		}
		if bytes.HasSuffix(bytes.TrimSpace(text[:i]), []byte("provider")) {
			return true
		}
		text = text[i+len("::"):]
	}
}
