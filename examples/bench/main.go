// Command bench measures Provisor beside what others use, in one run on one machine, and writes tables and curves. It runs on Linux.
//
//	go run . --out DIR
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/provisor/provisor/examples/bench/internal/report"
)

// sections are what there is to measure, by the letter that --only takes.
var sections = []struct {
	letter, title string
	measure       func(context.Context, *bench) (report.Section, error)
}{
	{"a", "The start of a sandbox and a first small Parse", starts},
	{"b", "What it costs that guests can be interrupted", interruption},
	{"c", "Whole sessions", sessions},
	{"d", "Several sessions at once", atOnce},
	{"e", "Open sessions", openSessions},
	{"f", "The graph of large plans", largePlans},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
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
	out := flags.String("out", "results", "write the tables and curves into `DIR`")
	quick := flags.Bool("quick", false, "take a few small samples: to see that everything works, not to learn anything")
	only := flags.String("only", "abcdef", "measure the `SECTIONS` with these letters")
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
	b, err := newBench(ctx, *engine, *quick, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	var results []report.Section
	for _, s := range sections {
		if !strings.Contains(*only, s.letter) {
			continue
		}
		began := time.Now()
		b.say("(%s) %s ...", s.letter, strings.ToLower(s.title[:1])+s.title[1:])
		result, err := s.measure(ctx, b)
		if err != nil {
			return fmt.Errorf("(%s) %s: %w", s.letter, s.title, err)
		}
		b.say("    %s", time.Since(began).Round(time.Second))
		result.Title = fmt.Sprintf("(%s) %s", s.letter, s.title)
		results = append(results, result)
		// After each, so that a run that is ended has what it got.
		if err := report.Write(*out, b.preface(args), slices.Clone(results)); err != nil {
			return err
		}
	}
	return nil
}
