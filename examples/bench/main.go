// Command bench measures Provisor beside what others use, in one run on one machine, and writes tables and curves. It runs on Linux.
//
//	go run . --write
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/provisor/provisor/examples/bench/internal/report"
)

// section is a question, by the letter that --only takes.
type section struct {
	letter, title string
	measure       func(context.Context, *bench) (report.Section, error)
}

var sections = []section{
	{"a", "The start of a sandbox and a first small Parse", starts},
	{"b", "What it costs that guests can be interrupted", interruption},
	{"c", "Whole sessions", sessions},
	{"d", "Several sessions at once", atOnce},
	{"e", "Open sessions", openSessions},
	{"f", "The graph of large plans", largePlans},
	{"g", "The start of a process", processes},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	case ctx.Err() != nil:
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("wrong usage")

func run(ctx context.Context, args []string, progress io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(progress)
	out := flags.String("out", "", "write the tables and curves into `DIR` (default: results)")
	write := flags.Bool("write", false, "write them into the bench's README.md, and what is met into that of the project")
	scale := flags.Float64("scale", 1, "take `FACTOR` times as many samples")
	quick := flags.Bool("quick", false, "take a few small samples: to see that everything works, not to learn anything")
	only := flags.String("only", letters(), "measure the `SECTIONS` with these letters")
	engine := flags.String("engine", "terraform", "use the engine at `PATH`")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%w: there are no arguments, got %q", errUsage, flags.Arg(0))
	}
	switch {
	case *scale <= 0:
		return fmt.Errorf("%w: --scale %g: want a factor above 0", errUsage, *scale)
	case strings.Trim(*only, letters()) != "":
		return fmt.Errorf("%w: --only %s: the sections are %s", errUsage, *only, letters())
	case *write && (*quick || *only != letters() || *out != ""):
		return fmt.Errorf("%w: --write is for what was measured in one whole run: it goes without --quick, --only and --out", errUsage)
	}
	b, err := newBench(ctx, *engine, *quick, *scale, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	save := func(r report.Report) error { return r.Write(cmp.Or(*out, "results")) }
	if *write {
		save = b.writePages
	}
	results := report.Report{Preface: b.preface(args)}
	var failures []error
	whole := time.Now()
	for _, s := range sections {
		if !strings.Contains(*only, s.letter) {
			continue
		}
		began := time.Now()
		b.say("(%s) %s ...", s.letter, strings.ToLower(s.title[:1])+s.title[1:])
		result, err := s.measure(ctx, b)
		if ctx.Err() != nil {
			return errors.Join(append(failures, context.Cause(ctx))...)
		}
		result.Title = fmt.Sprintf("(%s) %s", s.letter, s.title)
		if err != nil {
			// The others can be measured all the same.
			b.say("    failed: %v", err)
			failures = append(failures, fmt.Errorf("%s: %w", result.Title, err))
			result.Failed = err.Error()
		}
		for _, g := range result.Goals {
			b.say("    %-7s  %s: %s (%s)", g.Verdict(), g.What, g.Measured, g.Bound)
		}
		b.say("    %s, %s in all", time.Since(began).Round(time.Second), time.Since(whole).Round(time.Second))
		results.Sections = append(results.Sections, result)
		// After each, so that a run that is ended has what it got.
		if err := save(results); err != nil {
			return err
		}
	}
	return errors.Join(failures...)
}

// letters are those of all sections.
func letters() string {
	var b strings.Builder
	for _, s := range sections {
		b.WriteString(s.letter)
	}
	return b.String()
}
