package report

import (
	"maps"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Variables writes what a template asks for: its variables and workspace tags.
func (p *Printer) Variables(parse *pb.ParseComplete) {
	if len(parse.GetTemplateVariables()) == 0 {
		p.Line("No variables.")
	} else {
		t := table.NewWriter()
		t.SetStyle(table.StyleLight)
		t.SuppressEmptyColumns()
		t.AppendHeader(table.Row{"Variable", "Type", "Default", "", "Description"})
		for _, v := range parse.TemplateVariables {
			note, value := "", v.DefaultValue
			if v.Required {
				note = "required"
			}
			if v.Sensitive {
				value = "(sensitive)"
			}
			t.AppendRow(table.Row{printable(v.Name), printable(v.Type), printable(value), note, printable(v.Description)})
		}
		p.Line("%s", t.Render())
	}
	for _, key := range slices.Sorted(maps.Keys(parse.GetWorkspaceTags())) {
		p.Line("Workspace tag %s = %s", printable(key), printable(parse.WorkspaceTags[key]))
	}
}
