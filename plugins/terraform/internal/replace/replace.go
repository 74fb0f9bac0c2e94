// Package replace finds the resources that a plan destroys in order to create them anew, and says why: as the part of the
// answer to a plan request, and as lines for the person who waits for the plan.
//
// What a plan creates, updates or destroys is no news; a replacement may cost somebody their home directory.
package replace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Replacement is one instance that is replaced.
type Replacement struct {
	Address string
	Reasons []Reason // by path; none if the engine gives none: for a tainted instance, or because somebody asked for it
}

// Reason is an attribute whose new value forces the replacement.
type Reason struct {
	Path     string // dotted: root_block_device.0.size
	Old, New string // as JSON, or one of the texts in brackets that stand for a value; both empty if the plan has neither
}

// Find lists what the plan replaces, by address. Resources of type coder_* are left out: they hold nothing.
func Find(plan *show.Plan) ([]Replacement, error) {
	var list []Replacement
	for i := range plan.Changes {
		c := &plan.Changes[i]
		if strings.HasPrefix(c.Type, "coder_") || c.Mode == show.Data || c.Deposed != "" {
			continue
		}
		reasons, err := reasonsOf(c)
		if err != nil {
			return nil, fmt.Errorf("read the plan: resource_changes: %s: %w", c.Address, err)
		}
		if len(reasons) > 0 || c.Replaces() {
			list = append(list, Replacement{Address: c.Address, Reasons: reasons})
		}
	}
	slices.SortStableFunc(list, func(a, b Replacement) int { return cmp.Compare(a.Address, b.Address) })
	return list, nil
}

// Messages is the part of the answer to a plan request: those with a reason.
func Messages(list []Replacement) []*pb.ResourceReplacement {
	var messages []*pb.ResourceReplacement
	for _, r := range list {
		if len(r.Reasons) == 0 {
			continue
		}
		m := &pb.ResourceReplacement{Resource: r.Address}
		for _, reason := range r.Reasons {
			m.Paths = append(m.Paths, reason.Path)
		}
		messages = append(messages, m)
	}
	return messages
}
