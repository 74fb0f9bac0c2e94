package configgraph

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

func (r *reader) provider(name string, body hcl.Body) error {
	content, arguments, err := split(body, &hcl.BodySchema{Attributes: attributes("alias", "version", "for_each", "count", "depends_on", "source")})
	if err != nil {
		return err
	}
	for attribute, a := range content.attributes {
		switch attribute {
		case "version":
		case "alias":
			alias, err := text(a)
			if err != nil {
				return err
			}
			name += "." + alias
		default:
			return fmt.Errorf("%q", attribute)
		}
	}
	if err := reserved(&arguments); err != nil {
		return err
	}
	known := r.providers[name]
	switch {
	case (known != nil) != r.override:
		return errTwice
	case r.override:
		known.replace(&arguments)
	default:
		r.providers[name] = &arguments
	}
	return nil
}

// reserved refuses names that engines keep for themselves, and give a meaning of their own.
func reserved(a *arguments) error {
	for _, x := range a.list {
		switch x.name {
		case "_", "locals", "lifecycle", "provisioner", "connection", "action_trigger":
			return fmt.Errorf("%q", x.name)
		}
	}
	return nil
}

func (r *reader) call(name string, body hcl.Body) error {
	content, inputs, err := split(body, &hcl.BodySchema{
		Attributes: attributes("source", "version", "count", "for_each", "depends_on", "providers"),
		Blocks:     []hcl.BlockHeaderSchema{{Type: "lifecycle"}},
	})
	if err != nil {
		return err
	}
	if err := reserved(&inputs); err != nil {
		return err
	}
	if len(content.blocks) > 0 {
		return errors.New("a lifecycle")
	}
	c := &call{inputs: inputs}
	if err := r.dependsOn(&content, &c.expansion); err != nil {
		return err
	}
	for attribute, a := range content.attributes {
		switch attribute {
		case "count", "for_each":
			c.expansion.addExpression(attribute, nil, a)
		case "source", "version":
			if len(a.Variables()) > 0 {
				return fmt.Errorf("a %s that is not fixed", attribute)
			}
		case "providers":
			if c.providers, err = passedProviders(a); err != nil {
				return err
			}
		}
	}
	known := r.calls[name]
	switch {
	case (known != nil) != r.override:
		return errTwice
	case r.override:
		known.expansion.replace(&c.expansion)
		known.inputs.replace(&c.inputs)
		if len(c.providers) > 0 {
			known.providers = c.providers
		}
	default:
		r.calls[name] = c
	}
	return nil
}

func passedProviders(e hcl.Expression) (map[string]string, error) {
	pairs, diags := hcl.ExprMap(e)
	if diags.HasErrors() {
		return nil, diags
	}
	passed := make(map[string]string, len(pairs))
	for _, p := range pairs {
		inside, err := providerName(p.Key)
		if err != nil {
			return nil, err
		}
		if passed[inside], err = providerName(p.Value); err != nil {
			return nil, err
		}
	}
	return passed, nil
}
