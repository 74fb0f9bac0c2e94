package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/provisor/provisor/host/internal/workdir/recovery"
)

// recordDocument is a record as it is printed.
type recordDocument struct {
	ID      string            `json:"id"`
	Status  recovery.Status   `json:"status"`
	Tenant  string            `json:"tenant"`
	Damage  string            `json:"damage,omitempty"`
	Updated time.Time         `json:"updated"`
	Record  *recovery.Record  `json:"record,omitempty"`
	States  []stateDocument   `json:"states"`
	Newest  *recovery.Summary `json:"newest,omitempty"`
}

type stateDocument struct {
	File  string    `json:"file"`
	Bytes int64     `json:"bytes"`
	At    time.Time `json:"at"`
	Path  string    `json:"path"`
}

func newRecordDocument(e *recovery.Entry) recordDocument {
	d := recordDocument{ID: e.ID, Status: e.Status, Tenant: e.Tenant, Updated: e.Updated(), Record: e.Record, States: []stateDocument{}}
	if e.Damage != nil {
		d.Damage = e.Damage.Error()
	}
	for _, s := range e.States {
		d.States = append(d.States, stateDocument{s.File, s.Bytes, s.At, s.Path})
	}
	if len(e.States) > 0 {
		if content, err := e.States[0].Read(); err == nil {
			d.Newest, _ = recovery.Summarize(content) // another plugin's state need not be Terraform's
		}
	}
	return d
}

func (d recordDocument) template() string {
	if d.Record == nil {
		return "?"
	}
	return orDash(d.Record.Template.Name, d.Record.Template.ID)
}

func (d recordDocument) workspace() string {
	if d.Record == nil {
		return "?"
	}
	name := orDash(d.Record.Workspace.Name, d.Record.Workspace.ID)
	if owner := d.Record.Workspace.Owner; owner != "" {
		name = owner + "/" + name
	}
	return name
}

func (d recordDocument) resources() string {
	if d.Newest == nil {
		return "?"
	}
	return fmt.Sprint(d.Newest.Count())
}

func orDash(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return "-"
}

func (d recordDocument) writeText(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); strings.TrimSpace(text) != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, text)
		}
	}
	line("ID", "%s", d.ID)
	line("Status", "%s", d.Status)
	line("Damage", "%s", d.Damage)
	line("Tenant", "%s", d.Tenant)
	if r := d.Record; r != nil {
		line("Why", "%s", recovery.Printable(r.Why))
		line("Unsaved", "%s", recovery.Printable(r.Unsaved))
		line("Template", "%s %s %s", r.Template.Name, r.Template.Version, r.Template.ID)
		line("Workspace", "%s %s", d.workspace(), r.Workspace.ID)
		line("Transition", "%s", r.Workspace.Transition)
		line("Build", "%s", r.Workspace.Build)
		line("Plugin", "%s %s", r.Plugin.Name, r.Plugin.Version)
		line("Engine", "%s", r.Engine)
		line("Session", "%s", r.Session)
		line("Begun", "%s", r.Started.Local().Format(time.RFC3339))
	}
	line("Updated", "%s", d.Updated.Local().Format(time.RFC3339))
	for _, s := range d.States {
		line("State", "%s, %s, %s", s.File, humanize.IBytes(uint64(s.Bytes)), s.Path)
	}
	if s := d.Newest; s != nil {
		line("Serial", "%d", s.Serial)
		line("Resources", "%d", s.Count())
		for _, kind := range slices.Sorted(maps.Keys(s.Resources)) {
			line("", "%d %s", s.Resources[kind], kind)
		}
	}
	return w.Flush()
}

func printJSON(out io.Writer, document any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}
