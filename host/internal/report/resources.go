package report

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Resources writes a table of a graph's resources with their agents, apps and daily costs. Columns that would be empty
// are left out.
func (p *Printer) Resources(graph *pb.GraphComplete) {
	if len(graph.GetResources()) == 0 {
		p.Line("No resources.")
		return
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.SuppressEmptyColumns()
	t.AppendHeader(table.Row{"Resource", "Agents", "Apps", "Daily cost"})
	cost := int64(0)
	for _, r := range graph.Resources {
		agents, apps := inside(r)
		t.AppendRow(table.Row{printable(name(r)), agents, apps, number(int64(r.DailyCost))})
		cost += int64(r.DailyCost)
	}
	if cost != 0 {
		t.AppendFooter(table.Row{"Sum", "", "", number(cost)})
	}
	p.Line("%s", t.Render())
}

func name(r *pb.Resource) string {
	name := r.Type + "." + r.Name
	if r.ModulePath != "" {
		name = r.ModulePath + "." + name
	}
	if r.InstanceType != "" {
		name += " (" + r.InstanceType + ")"
	}
	return name
}

// inside lists a resource's agents and their apps, a line each, so that an app stands beside its agent.
func inside(r *pb.Resource) (agents, apps string) {
	var left, right []string
	for _, a := range r.Agents {
		left = append(left, printable(fmt.Sprintf("%s (%s/%s)", a.Name, a.OperatingSystem, a.Architecture)))
		for _, app := range a.Apps {
			right = append(right, printable(app.Slug))
		}
		for len(left) < len(right) {
			left = append(left, "")
		}
		for len(right) < len(left) {
			right = append(right, "")
		}
	}
	return strings.TrimRight(strings.Join(left, "\n"), "\n"), strings.TrimRight(strings.Join(right, "\n"), "\n")
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
