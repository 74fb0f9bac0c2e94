// Package report writes what was measured: Markdown tables, and curves as SVG.
package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
)

// Report is all that was measured in a run.
type Report struct {
	// Preface says on what it was measured, and by which command.
	Preface  string
	Sections []Section
}

// Section is one question, and what the measurements say.
type Section struct {
	Title string
	// Failed is why there is nothing but the title.
	Failed string
	// Text says what was measured, how.
	Text   string
	Tables []Table
	Plots  []Plot
	Goals  []Goal
}

// Table is a table of results.
type Table struct {
	Header []string
	Rows   [][]string
}

// Add adds a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// FileName is the report's name in its directory.
const FileName = "results.md"

// Write writes the report into the directory, and the plots beside it.
func (r Report) Write(dir string) error {
	if err := r.WritePlots(dir); err != nil {
		return err
	}
	text := fmt.Sprintf("# Measurements\n\n%s\n\n%s\n%s", r.Preface, r.Goals(), r.Details("##", ""))
	return os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o644)
}

// WritePlots writes the plots into the directory.
func (r Report) WritePlots(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, s := range r.Sections {
		for _, p := range s.Plots {
			if err := p.write(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// Goals is a table of all figures that have a goal.
func (r Report) Goals() string {
	t := Table{Header: []string{"", "measured", "goal", ""}}
	for _, s := range r.Sections {
		for _, g := range s.Goals {
			t.Add(g.What, g.Measured, g.Bound, g.Verdict())
		}
		if s.Failed != "" {
			t.Add(s.Title, "failed", "", "not met")
		}
	}
	return t.markdown()
}

// Details are the sections, with headings of that level. The plots are in the directory, a prefix that ends in a slash or is empty.
func (r Report) Details(heading, plots string) string {
	var b strings.Builder
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n%s %s\n\n", heading, s.Title)
		if s.Failed != "" {
			fmt.Fprintf(&b, "Failed: %s\n", strings.ReplaceAll(s.Failed, "\n", " "))
			continue
		}
		fmt.Fprintf(&b, "%s\n", s.Text)
		for _, t := range s.Tables {
			fmt.Fprintf(&b, "\n%s\n", t.markdown())
		}
		for _, p := range s.Plots {
			fmt.Fprintf(&b, "\n![%s](%s%s)\n", p.Title, plots, p.File)
		}
	}
	return b.String()
}

// The lines of a page between which Insert writes.
const (
	begin = "<!-- begin of what the bench writes -->\n"
	end   = "<!-- end of what the bench writes -->\n"
)

// Insert puts the text into a page, in the place of what is there between the two marks.
func Insert(page, text string) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(old), begin)
	_, after, ends := strings.Cut(rest, end)
	if !found || !ends {
		return fmt.Errorf("%s has no lines %q and %q", page, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(page, []byte(before+begin+"\n"+strings.TrimSpace(text)+"\n\n"+end+after), 0o644)
}

func (t Table) markdown() string {
	w := table.NewWriter()
	w.AppendHeader(row(t.Header))
	for _, r := range t.Rows {
		w.AppendRow(row(r))
	}
	return w.RenderMarkdown()
}

func row(cells []string) table.Row {
	r := make(table.Row, len(cells))
	for i, c := range cells {
		r[i] = c
	}
	return r
}
