package graph

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// formTypes are the ways of asking for a parameter. A provider from before them says nothing.
var formTypes = map[string]pb.ParameterFormType{
	"":             pb.ParameterFormType_DEFAULT,
	"error":        pb.ParameterFormType_FORM_ERROR,
	"radio":        pb.ParameterFormType_RADIO,
	"dropdown":     pb.ParameterFormType_DROPDOWN,
	"input":        pb.ParameterFormType_INPUT,
	"textarea":     pb.ParameterFormType_TEXTAREA,
	"slider":       pb.ParameterFormType_SLIDER,
	"checkbox":     pb.ParameterFormType_CHECKBOX,
	"switch":       pb.ParameterFormType_SWITCH,
	"tag-select":   pb.ParameterFormType_TAGSELECT,
	"multi-select": pb.ParameterFormType_MULTISELECT,
}

// parameters are the template's parameters in the order found.
func (x *extraction) parameters() ([]*pb.RichParameter, error) {
	var list []*pb.RichParameter
	var repeated []string
	times := make(map[string]int)
	for _, r := range x.dataOfType("coder_parameter") {
		p, err := newParameter(r)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
		times[p.GetName()]++
		if times[p.GetName()] == 2 {
			repeated = append(repeated, strconv.Quote(p.GetName()))
		}
	}
	if len(repeated) > 0 {
		return nil, fmt.Errorf("the names of parameters must be unique in the template, more than one parameter is called: %s", strings.Join(repeated, ", "))
	}
	return list, nil
}

func (x *extraction) dataOfType(resourceType string) []*show.Resource {
	var list []*show.Resource
	for _, r := range x.data {
		if r.Type == resourceType {
			list = append(list, r)
		}
	}
	return list
}

func newParameter(r *show.Resource) (*pb.RichParameter, error) {
	v := values.Parse(r.Address, r.Values)
	formType, known := formTypes[v.String("form_type")]
	p := &pb.RichParameter{
		Name:         v.String("name"),
		DisplayName:  v.String("display_name"),
		Description:  v.String("description"),
		Type:         v.String("type"),
		FormType:     formType,
		Mutable:      v.Bool("mutable"),
		DefaultValue: v.String("default"),
		Icon:         v.String("icon"),
		Required:     !v.Bool("optional"),
		Order:        v.Int32("order"),
		Ephemeral:    v.Bool("ephemeral"),
	}
	for _, b := range v.Blocks("option") {
		p.Options = append(p.Options, &pb.RichParameterOption{
			Name:        b.String("name"),
			Description: b.String("description"),
			Value:       b.String("value"),
			Icon:        b.String("icon"),
		})
	}
	if blocks := v.Blocks("validation"); len(blocks) == 1 {
		validate(p, blocks[0])
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	if !known {
		return nil, fmt.Errorf("%s: the form type %q of parameter %q is unknown", r.Address, v.String("form_type"), p.GetName())
	}
	return p, nil
}

// validate sets the rules of a validation block. Providers from before min_disabled could not say that there is no
// limit on one side, and gave 0 for both where there is none.
func validate(p *pb.RichParameter, b values.Object) {
	p.ValidationRegex = b.String("regex")
	p.ValidationError = b.String("error")
	p.ValidationMonotonic = b.String("monotonic")
	lowest, highest := b.Int32("min"), b.Int32("max")
	hasMin, hasMax := !b.Bool("min_disabled"), !b.Bool("max_disabled")
	if !b.Has("min_disabled") {
		hasMin = lowest != 0 || highest != 0
		hasMax = hasMin
	}
	if hasMin {
		p.ValidationMin = &lowest
	}
	if hasMax {
		p.ValidationMax = &highest
	}
}
