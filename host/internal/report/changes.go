package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// Change is what a plan does to one resource.
type Change struct {
	Address string
	// Action is "create", "update", "delete" or "replace".
	Action string
}

// Changes reads the planned changes of managed resources from a plan in JSON (terraform show -json), in its order.
func Changes(plan []byte) ([]Change, error) {
	if len(plan) == 0 {
		return nil, nil
	}
	var document struct {
		ResourceChanges []struct {
			Address string
			Mode    string
			Change  struct{ Actions []string }
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal(plan, &document); err != nil {
		return nil, fmt.Errorf("read the plan's changes: %w", err)
	}
	var changes []Change
	for _, c := range document.ResourceChanges {
		if action := action(c.Change.Actions); c.Mode != "data" && action != "" {
			changes = append(changes, Change{c.Address, action})
		}
	}
	return changes, nil
}

func action(actions []string) string {
	switch {
	case len(actions) == 2:
		return "replace"
	case slices.Equal(actions, []string{"create"}), slices.Equal(actions, []string{"update"}), slices.Equal(actions, []string{"delete"}):
		return actions[0]
	}
	return ""
}

// Changes writes the planned changes, one a line, and their sum.
func (p *Printer) Changes(changes []Change) {
	if len(changes) == 0 {
		p.Line("No changes.")
		return
	}
	marks := map[string]struct {
		sign  string
		color text.Color
	}{"create": {"+", text.FgGreen}, "update": {"~", text.FgYellow}, "delete": {"-", text.FgRed}, "replace": {"-/+", text.FgMagenta}}
	count := map[string]int{}
	for _, c := range changes {
		count[c.Action]++
		mark := marks[c.Action]
		p.Line("%s", p.paint(fmt.Sprintf("  %3s %s", mark.sign, printable(c.Address)), mark.color))
	}
	sum := make([]string, 0, 4)
	for _, kind := range []string{"create", "update", "replace", "delete"} {
		if count[kind] > 0 {
			sum = append(sum, fmt.Sprintf("%d to %s", count[kind], kind))
		}
	}
	p.Line("Planned: %s.", strings.Join(sum, ", "))
}
