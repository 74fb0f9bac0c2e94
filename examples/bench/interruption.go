package main

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/provisor/provisor/examples/bench/internal/report"
)

// interruption has the repository's own benchmark run: what it measures is internal.
func interruption(ctx context.Context, b *bench) (report.Section, error) {
	count := b.samples(3, 1)
	args := []string{"test", "-run", "^$", "-bench", "^BenchmarkDecode$", "-benchtime", fmt.Sprintf("%dx", b.samples(4, 1)), "-count", fmt.Sprint(count), "-short", "./host/internal/instrument"}
	out, err := b.command(ctx, b.repo, "go", args...)
	if err != nil {
		return report.Section{}, err
	}
	units, err := benchmarkUnits(out)
	if err != nil {
		return report.Section{}, err
	}
	t := report.Table{Header: []string{"a plan of 1 MB decoded in a Go guest", "median ms", "to as it is", "middle half", "n"}}
	for _, v := range []struct{ key, name string }{
		{"plain", "as it is: can't be interrupted"},
		{"fuel", "Provisor: fuel"},
		{"split", "Provisor: fuel, functions bound to the table late, as plugins run"},
		{"switch", "wazero's WithCloseOnContextDone"},
	} {
		times, ratios := units[v.key+"-ms"], units[v.key+"/plain"]
		if len(times) == 0 {
			return report.Section{}, fmt.Errorf("the benchmark did not tell %s-ms:\n%s", v.key, out)
		}
		t.Add(v.name, report.Number(times.Median()), report.Number(ratios.Median())+"×", ratios.Spread(), fmt.Sprint(len(times)))
	}
	return report.Section{
		Text:   fmt.Sprintf("`go %s`: processor time; each run's best of several, variants take turns.", strings.Join(args, " ")),
		Tables: []report.Table{t},
	}, nil
}

// benchmarkUnits are the values that benchmarks told, by unit.
func benchmarkUnits(out string) (map[string]report.Samples, error) {
	units := make(map[string]report.Samples)
	r := benchfmt.NewReader(strings.NewReader(out), "go test")
	for r.Scan() {
		if result, ok := r.Result().(*benchfmt.Result); ok {
			for _, v := range result.Values {
				unit, value := v.Unit, v.Value
				if v.OrigUnit != "" {
					unit, value = v.OrigUnit, v.OrigValue
				}
				units[unit] = append(units[unit], value)
			}
		}
	}
	return units, r.Err()
}
