package graph

import (
	"fmt"
	"maps"
	"slices"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// presets are the template's presets in the order found. It warns of values for parameters that the template lacks.
func (x *extraction) presets(parameters []*pb.RichParameter) ([]*pb.Preset, error) {
	defined := make(map[string]bool)
	for _, p := range parameters {
		defined[p.GetName()] = true
	}
	var list []*pb.Preset
	defaults := 0
	for _, r := range x.dataOfType("coder_workspace_preset") {
		preset, err := newPreset(r)
		if err != nil {
			return nil, err
		}
		for _, p := range preset.GetParameters() {
			if !defined[p.GetName()] {
				x.Warn(fmt.Sprintf("preset %q (%s) sets the parameter %q, which the template does not have", preset.GetName(), r.Address, p.GetName()))
			}
		}
		if preset.GetDefault() {
			defaults++
		}
		list = append(list, preset)
	}
	if defaults > 1 {
		return nil, fmt.Errorf("a maximum of 1 coder_workspace_preset can be marked as default, but %d are set", defaults)
	}
	return list, nil
}

func newPreset(r *show.Resource) (*pb.Preset, error) {
	v := values.Parse(r.Address, r.Values)
	preset := &pb.Preset{
		Name:        v.String("name"),
		Description: v.String("description"),
		Icon:        v.String("icon"),
		Default:     v.Bool("default"),
		Prebuild:    prebuild(v),
	}
	parameters := v.StringMap("parameters")
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		preset.Parameters = append(preset.Parameters, &pb.PresetParameter{Name: name, Value: parameters[name]})
	}
	return preset, v.Err()
}

// prebuild is never nil: clients read its fields without looking.
func prebuild(v values.Object) *pb.Prebuild {
	prebuild := &pb.Prebuild{}
	b, ok := v.Block("prebuilds")
	if !ok {
		return prebuild
	}
	prebuild.Instances = b.Int32("instances")
	if policy, ok := b.Block("expiration_policy"); ok {
		prebuild.ExpirationPolicy = &pb.ExpirationPolicy{Ttl: policy.Int32("ttl")}
	}
	if scheduling, ok := b.Block("scheduling"); ok {
		prebuild.Scheduling = &pb.Scheduling{Timezone: scheduling.String("timezone")}
		for _, s := range scheduling.Blocks("schedule") {
			prebuild.Scheduling.Schedule = append(prebuild.Scheduling.Schedule, &pb.Schedule{
				Cron: s.String("cron"), Instances: s.Int32("instances"),
			})
		}
	}
	return prebuild
}
