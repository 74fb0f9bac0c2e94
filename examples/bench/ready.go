package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/provisor/provisor/examples/bench/internal/parse"
	"github.com/provisor/provisor/examples/bench/internal/report"
)

// processes measures how long a process takes until it is ready for its first request.
func processes(ctx context.Context, b *bench) (report.Section, error) {
	dir, err := os.MkdirTemp(b.dir, "ready")
	if err != nil {
		return report.Section{}, err
	}
	template := filepath.Join(dir, "template")
	if err := errors.Join(os.Mkdir(template, 0o700), os.WriteFile(filepath.Join(template, parse.FileName), []byte(parse.Template), 0o600)); err != nil {
		return report.Section{}, err
	}
	common := []string{"--mirror", b.mirror, "--engine", b.engine, "--data-dir"}
	variants := []struct {
		name string
		args []string
	}{
		{"provisor parse", append(append([]string{"parse", "--verbose", template}, common...), filepath.Join(dir, "command"))},
		{"provisor serve", append([]string{"serve", "--listen", "unix:" + filepath.Join(dir, "s")}, append(common, filepath.Join(dir, "daemon"))...)},
	}
	samples := make([]report.Samples, len(variants))
	// The first one compiles the plugin.
	warm, rounds := b.samples(3, 1), b.samples(40, 2)
	for round := range warm + rounds {
		for i, v := range variants {
			took, err := b.timeReady(ctx, v.args)
			if err != nil {
				return report.Section{}, err
			}
			if round >= warm {
				samples[i].Add(took)
			}
		}
	}
	t := report.Table{Header: append([]string{"from its start to ready"}, report.SampleHeader...)}
	for i, v := range variants {
		t.Add(append([]string{v.name}, samples[i].Cells()...)...)
	}
	return report.Section{
		Text: "The whole command, with the terraform plugin from a cache that has it compiled, up to the line of its log that says `ready` (`--verbose`): " +
			"the engine is known, the jail is tried, and a session is open; its first request is sent next. The daemon takes connections by then.",
		Tables: []report.Table{t},
		Goals:  []report.Goal{report.AtMost("the command line is ready for its first request, from its start, median", samples[0].Median(), 150, " ms")},
	}, nil
}

// timeReady runs the command, and says how long it took until its log said that it was ready.
func (b *bench) timeReady(ctx context.Context, args []string) (took time.Duration, err error) {
	cmd := exec.CommandContext(ctx, b.provisor, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	var log strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if took == 0 && strings.Contains(lines.Text(), "msg=ready ") {
			took = time.Since(began)
			if args[0] == "serve" {
				_ = cmd.Process.Signal(syscall.SIGTERM)
			}
		}
		fmt.Fprintln(&log, lines.Text())
	}
	if err = cmd.Wait(); err == nil && took == 0 {
		err = errors.New("it was never ready")
	}
	if err != nil {
		return 0, fmt.Errorf("provisor %s: %w\n%s", strings.Join(args, " "), err, &log)
	}
	return took, nil
}
