package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Problem is something that is wrong in a configuration, and where.
type Problem struct {
	File         string
	Line, Column int
	// Text says what is wrong and what to do. It has no value of the configuration in it that could be a secret.
	Text string
}

// String is the problem as compilers write theirs.
func (p Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.File, p.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
}

// Problems are all that is wrong with a configuration, in the order of its lines.
type Problems []Problem

// Error is a line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// sorted puts problems into the order of lines, and leaves out what was said already.
func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return slices.Compact(ps)
}

func problemAt(r hcl.Range, format string, args ...any) Problem {
	return Problem{File: r.Filename, Line: r.Start.Line, Column: r.Start.Column, Text: fmt.Sprintf(format, args...)}
}

// ofDiagnostics are HCL's own findings. Those about names that are unknown are left out: unknownKeys has more to say of them.
func ofDiagnostics(diags hcl.Diagnostics) Problems {
	var ps Problems
	for _, d := range diags {
		if d.Severity != hcl.DiagError || d.Summary == "Unsupported argument" || d.Summary == "Unsupported block type" {
			continue
		}
		r := hcl.Range{}
		if d.Subject != nil {
			r = *d.Subject
		}
		text := d.Detail
		if text == "" {
			text = d.Summary
		}
		// The file is told for itself, and sentences are put together elsewhere.
		ps = append(ps, problemAt(r, "%s", strings.TrimSuffix(strings.TrimSpace(text), ".")))
	}
	return ps
}
