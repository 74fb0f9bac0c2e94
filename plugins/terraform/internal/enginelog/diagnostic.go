package enginelog

import (
	"fmt"
	"slices"
	"strings"
)

// lines is the diagnostic as a person reads it, below its summary: where it is, the source code there, what the
// expressions in it stood for, and the detail. A diagnostic without a range is its detail alone.
func (d *Diagnostic) lines() []string {
	var out []string
	if d.Range != nil {
		out = append(d.source(), "")
	}
	if detail := strings.TrimSuffix(d.Detail, "\n"); detail != "" {
		out = append(out, strings.Split(detail, "\n")...)
	}
	return out
}

func (d *Diagnostic) source() []string {
	at := fmt.Sprintf("on %s line %d", d.Range.Filename, d.Range.Line)
	if d.Snippet == nil {
		return []string{at + ":", "  (source code not available)"}
	}
	if d.Snippet.Context != "" {
		at += ", in " + d.Snippet.Context
	}
	out := []string{at + ":"}
	for i, code := range strings.Split(d.Snippet.Code, "\n") {
		out = append(out, fmt.Sprintf("  %d: %s", d.Snippet.StartLine+i, code))
	}
	if len(d.Snippet.Values) == 0 {
		return out
	}
	var values []string
	for _, v := range d.Snippet.Values {
		values = append(values, fmt.Sprintf("    │ %s %s", v.Traversal, v.Statement))
	}
	slices.Sort(values)
	return append(append(out, "    ├────────────────"), values...)
}
