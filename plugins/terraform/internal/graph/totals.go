package graph

import (
	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
)

// Totals are the numbers that the answer to a plan request takes from the plan.
type Totals struct {
	DailyCost int32 // of all planned coder_metadata, whatever they hang on
	AITasks   int32 // how many coder_ai_tasks are planned
}

// PlanTotals counts and adds up what is planned.
func PlanTotals(plan *show.Plan) (Totals, error) {
	var cost, tasks int64
	var err error
	plan.Planned.Walk(func(r *show.Resource) {
		if r.Mode != show.Managed || r.Deposed != "" {
			return
		}
		switch r.Type {
		case "coder_metadata":
			v := values.Parse(r.Address, r.Values)
			cost += int64(v.Int32("daily_cost")) // capped first: no number of resources can overflow the sum
			if err == nil {
				err = v.Err()
			}
		case "coder_ai_task":
			tasks++
		}
	})
	return Totals{DailyCost: values.Cap(cost), AITasks: values.Cap(tasks)}, err
}
