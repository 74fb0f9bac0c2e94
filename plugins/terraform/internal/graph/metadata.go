package graph

import (
	"fmt"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// metadata is what one coder_metadata says of a resource.
type metadata struct {
	items     []*pb.Resource_Metadata
	hide      bool
	icon      string
	dailyCost int32
}

// metadata finds the resource that each coder_metadata is about, by address without keys: the nearest that it depends on.
// Its resource_id is not read: a plan does not know it, and plan and state have to agree.
func (x *extraction) metadata() (map[string]*metadata, error) {
	all := x.byType["coder_metadata"]
	if len(all) == 0 {
		return nil, nil // the walk would be in vain
	}
	about := make(map[string]*metadata)
	below := walk(x.graph, x.holders, x.graph.up)
	for _, r := range all {
		target, ok := below.of(r.keyless)
		if !ok {
			continue
		}
		if about[target] != nil {
			return nil, fmt.Errorf("duplicate metadata resource: %s", target)
		}
		m, err := newMetadata(r.Resource)
		if err != nil {
			return nil, err
		}
		about[target] = m
	}
	return about, nil
}

func newMetadata(r *show.Resource) (*metadata, error) {
	v := values.Parse(r.Address, r.Values)
	m := &metadata{hide: v.Bool("hide"), icon: v.String("icon"), dailyCost: v.Int32("daily_cost")}
	for _, b := range v.Blocks("item") {
		m.items = append(m.items, &pb.Resource_Metadata{
			Key:       b.String("key"),
			Value:     b.String("value"),
			Sensitive: b.Bool("sensitive"),
			IsNull:    b.Bool("is_null"),
		})
	}
	return m, v.Err()
}
