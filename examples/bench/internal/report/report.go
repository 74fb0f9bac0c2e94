// Package report writes what was measured: Markdown tables, and curves as SVG.
package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
)

// Section is one question, and what the measurements say.
type Section struct {
	Title string
	// Text says what was measured, how.
	Text   string
	Tables []Table
	Plots  []Plot
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
func Write(dir, preface string, sections []Section) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(preface)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.Title, s.Text)
		for _, t := range s.Tables {
			fmt.Fprintf(&b, "\n%s\n", t.markdown())
		}
		for _, p := range s.Plots {
			if err := p.write(dir); err != nil {
				return err
			}
			fmt.Fprintf(&b, "\n![%s](%s)\n", p.Title, p.File)
		}
	}
	return os.WriteFile(filepath.Join(dir, FileName), []byte(b.String()), 0o644)
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
