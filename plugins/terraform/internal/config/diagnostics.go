package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mitchellh/go-wordwrap"
)

const (
	maxDiagnostics = 50   // that are written out; a broken file can have one per character
	maxDetail      = 4096 // bytes of one detail, which may quote the file
	detailWidth    = 78
)

// A loadError is a module that could not be read, with what was found wrong in it.
type loadError struct {
	diags   hcl.Diagnostics
	leftOut int  // how many more there were
	failed  bool // whether one of them all is an error
}

func (e *loadError) add(diags hcl.Diagnostics) {
	e.failed = e.failed || diags.HasErrors()
	keep := min(len(diags), maxDiagnostics-len(e.diags))
	e.diags = append(e.diags, diags[:keep]...)
	e.leftOut += len(diags) - keep
}

// orNil is the error, unless there are warnings only.
func (e *loadError) orNil() error {
	if !e.failed {
		return nil
	}
	return e
}

// Error gives each diagnostic its severity, summary and place, and below that its detail as a quotation.
func (e *loadError) Error() string {
	var b strings.Builder
	b.WriteString("load module:\n")
	for i, diag := range e.diags {
		if i > 0 {
			b.WriteString("\n")
		}
		writeDiagnostic(&b, diag)
	}
	if e.leftOut > 0 {
		fmt.Fprintf(&b, "\n%d more are left out\n", e.leftOut)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func writeDiagnostic(b *strings.Builder, diag *hcl.Diagnostic) {
	severity := "ERROR"
	if diag.Severity == hcl.DiagWarning {
		severity = "WARN"
	}
	fmt.Fprintf(b, "%s: %s", severity, diag.Summary)
	if diag.Subject != nil {
		fmt.Fprintf(b, " (%s:%d)", diag.Subject.Filename, diag.Subject.Start.Line)
	}
	b.WriteString("\n")
	detail := diag.Detail
	if detail == "" {
		return
	}
	if len(detail) > maxDetail {
		detail = detail[:maxDetail] + "…"
	}
	for line := range strings.Lines(wordwrap.WrapString(printable(detail), detailWidth)) {
		b.WriteString("> " + strings.TrimSuffix(line, "\n") + "\n")
	}
}

// problem is an error of our own at a place in the configuration.
func problem(at hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  summary,
		Detail:   fmt.Sprintf(format, args...),
		Subject:  &at,
	}
}
