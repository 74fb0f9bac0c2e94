package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/provisor/provisor/plugins/terraform/internal/graph"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	"github.com/provisor/provisor/plugins/terraform/internal/replace"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	guest "github.com/provisor/provisor/sdk-guest"
)

// describe adds to the answer what the plan says: what it costs, and what it replaces. That is logged as well.
func (e engine) describe(ctx context.Context, m *pb.Metadata, plan *show.Plan, complete *pb.PlanComplete) error {
	totals, err := graph.PlanTotals(plan)
	if err != nil {
		return err
	}
	complete.DailyCost, complete.AiTaskCount = totals.DailyCost, totals.AITasks
	replacements, err := replace.Find(plan)
	if err != nil || len(replacements) == 0 {
		return err
	}
	complete.ResourceReplacements = replace.Messages(replacements)
	if m.GetPrebuiltWorkspaceBuildStage() == pb.PrebuiltWorkspaceBuildStage_CLAIM && !isDestroy(m) {
		return e.logHumanPlan(ctx)
	}
	for _, line := range replace.Lines(replacements) {
		guest.Warn(line)
	}
	return nil
}

// logHumanPlan logs the plan as the engine shows it to a person. Nothing of a prebuilt workspace should be replaced when
// somebody claims it, so whoever reads this wants to see all of why it is.
func (e engine) logHumanPlan(ctx context.Context) error {
	var text bytes.Buffer
	if err := e.output(ctx, &text, "show", "-no-color", planFile); err != nil {
		return fmt.Errorf("show the plan: %w", err)
	}
	for _, line := range replace.HumanLines(text.String()) {
		guest.Log(line.Level, line.Text)
	}
	return nil
}
