package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/provisor/provisor/host/kit"
)

func pluginTestCommand() *cli.Command {
	return &cli.Command{
		Name:      "test",
		Category:  categoryAuthors,
		Usage:     "run the conformance kit on a plugin",
		ArgsUsage: "[FILE.wasm|DIR]",
		Description: "Drives the plugin through its whole contract with the host, over the real runtime, and reports case by case. A directory (default:\n" +
			"this one) is built first; if there is a directory \"example\" in it, that is the template. Without a template nothing is demanded\n" +
			"of the answers but that they come. Exits with 1 if a case failed.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "template", Usage: "demand that the plugin takes the template in `DIR`"},
			&cli.StringFlag{Name: "run", Usage: "run the cases whose names match `REGEXP`"},
			&cli.StringFlag{Name: "junit", Usage: "write the report to `FILE`, in the XML of JUnit"},
			&cli.BoolFlag{Name: "list", Usage: "list the cases and what they prove, and run none"},
			&cli.StringFlag{Name: "engine", EnvVars: []string{"PROVISOR_ENGINE"}, Usage: "run Terraform or OpenTofu at `PATH` (default: terraform, then tofu on the PATH, then an OpenTofu built with Go)"},
			&cli.StringFlag{Name: "mirror", EnvVars: []string{"PROVISOR_MIRROR"}, Usage: "take providers from the mirror in `DIR` first"},
			&cli.DurationFlag{Name: "request-timeout", Value: 2 * time.Minute, Usage: "a request that takes longer than `DURATION` has failed"},
			&cli.DurationFlag{Name: "grace-period", Value: 10 * time.Second, Usage: "how long the plugin may take to answer after a cancel, as `DURATION`"},
			cacheDirFlag(),
		},
		Action: pluginTest,
	}
}

func pluginTest(c *cli.Context) error {
	run, err := regexp.Compile(c.String("run"))
	if err != nil {
		return usagef("--run: %w", err)
	}
	if c.Bool("list") {
		return listCases(os.Stdout, run)
	}
	path, err := argumentOrHere(c, "FILE.wasm or DIR")
	if err != nil {
		return err
	}
	options := kit.Options{
		Plugin: path, Template: c.String("template"), Engine: c.String("engine"), Mirror: c.String("mirror"), CacheDir: c.String("cache-dir"),
		Run:      func(k kit.Case) bool { return run.MatchString(k.Name) },
		Progress: os.Stderr,
	}
	if options.RequestTimeout, err = positive(c, "request-timeout"); err != nil {
		return err
	}
	if options.GracePeriod, err = positive(c, "grace-period"); err != nil {
		return err
	}
	table := newCaseTable(os.Stdout)
	options.Started, options.Ended = table.started, table.ended
	report, err := kit.Run(c.Context, options)
	if err != nil {
		return interruptedBy(c, err)
	}
	table.summary(report)
	if err := writeJUnit(c.String("junit"), report); err != nil {
		return err
	}
	switch {
	case len(report.Results) == 0:
		return usagef("--run %s: there is no such case; see provisor plugin test --list", run)
	case report.Count(kit.Failed) > 0:
		return said()
	}
	return nil
}

// interruptedBy gives the error the exit code of an interrupt, if it comes from one.
func interruptedBy(c *cli.Context, err error) error {
	if c.Context.Err() != nil {
		return &exitError{exitInterrupted, err}
	}
	return err
}

func listCases(w io.Writer, run *regexp.Regexp) error {
	for _, k := range kit.Cases() {
		if run.MatchString(k.Name) {
			if _, err := fmt.Fprintf(w, "%-*s  %s\n", caseWidth(), k.Name, k.Proves); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeJUnit(file string, report *kit.Report) error {
	if file == "" {
		return nil
	}
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("--junit: %w", err)
	}
	if err := report.WriteJUnit(f); err != nil {
		f.Close()
		return fmt.Errorf("--junit %s: %w", file, err)
	}
	return f.Close()
}

// caseWidth is the width of the longest name of a case.
func caseWidth() int {
	width := 0
	for _, k := range kit.Cases() {
		width = max(width, len(k.Name))
	}
	return width
}

// caseTable writes a line for each case as it ends. On a terminal the running one is shown, too.
type caseTable struct {
	out         io.Writer
	live, color bool
}

func newCaseTable(out *os.File) *caseTable {
	return &caseTable{out: out, live: onTerminal(out), color: colorful(out)}
}

// onTerminal says whether a person looks at the file, colorful whether in colors; NO_COLOR (no-color.org) is honored.
func onTerminal(out *os.File) bool {
	return term.IsTerminal(int(out.Fd())) && os.Getenv("TERM") != "dumb"
}

func colorful(out *os.File) bool { return onTerminal(out) && os.Getenv("NO_COLOR") == "" }

func (t *caseTable) started(k kit.Case) {
	if t.live {
		fmt.Fprintf(t.out, "...      %s", k.Name)
	}
}

func (t *caseTable) ended(r kit.Result) {
	if t.live {
		fmt.Fprint(t.out, "\r", text.EraseLine.Sprint())
	}
	outcome := fmt.Sprintf("%-7s", r.Outcome)
	if t.color {
		outcome = paint(r.Outcome, outcome)
	}
	fmt.Fprintf(t.out, "%s  %-*s  %6.2fs  %s\n", outcome, caseWidth(), r.Name, r.Duration.Seconds(), r.Proves)
	if r.Text == "" {
		return
	}
	// What a plugin says goes to a terminal.
	for line := range strings.Lines(r.Text) {
		fmt.Fprintf(t.out, "         %s\n", printable(strings.TrimRight(line, "\n")))
	}
}

func (t *caseTable) summary(r *kit.Report) {
	name := r.Plugin
	if name == "" {
		name = "a plugin without a manifest"
	}
	fmt.Fprintf(t.out, "\n%s %s, sha256:%.12s: %d passed, %d failed, %d skipped\n",
		name, r.Version, r.Digest, r.Count(kit.Passed), r.Count(kit.Failed), r.Count(kit.Skipped))
}

// paint colors an outcome for a terminal.
func paint(o kit.Outcome, s string) string {
	switch o {
	case kit.Passed:
		return text.FgGreen.Sprint(s)
	case kit.Failed:
		return text.FgRed.Sprint(s)
	}
	return text.FgYellow.Sprint(s)
}
