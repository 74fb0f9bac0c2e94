package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisor/provisor/examples/bench/internal/report"
)

// A quick run measures everything once, with real engines and peers: what it writes must be whole.
func TestQuick(t *testing.T) {
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("terraform is not on the PATH")
	}
	out := t.TempDir()
	if err := run(t.Context(), []string{"--quick", "--out", out}, t.Output()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, report.FileName))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sections {
		if !strings.Contains(string(text), "("+s.letter+") "+s.title) {
			t.Errorf("section (%s) is missing", s.letter)
		}
	}
	for _, name := range []string{"at-once.svg", "graph.svg"} {
		if svg, err := os.ReadFile(filepath.Join(out, name)); err != nil || !strings.Contains(string(svg), "</svg>") {
			t.Errorf("%s is no drawing: %v", name, err)
		}
	}
	t.Logf("%s", text)
}

// The project's pages have room for results.
func TestWritePages(t *testing.T) {
	repo := t.TempDir()
	for _, name := range []string{"README.md", "examples/bench/README.md"} {
		page, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(repo, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(repo, name), page, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := report.Report{Preface: "Measured by a test.", Sections: []report.Section{{
		Title: "(x) A section", Text: "Of a test.", Goals: []report.Goal{report.AtMost("a goal", 1, 2, " ms")},
		Plots: []report.Plot{{File: "x.svg", Title: "X", Series: []report.Series{{Name: "x", X: []float64{1, 2}, Y: []float64{1, 2}}}}},
	}}}
	if err := (&bench{repo: repo}).writePages(r); err != nil {
		t.Fatal(err)
	}
	for name, wants := range map[string][]string{
		"README.md":                    {"# Provisor\n", "Measured by a test.", "| a goal | 1.00 ms | ≤ 2 ms | met |", "## The rooms\n"},
		"examples/bench/README.md":     {"# The bench\n", "Measured by a test.", "| a goal | 1.00 ms | ≤ 2 ms | met |", "### (x) A section\n", "](results/x.svg)"},
		"examples/bench/results/x.svg": {"</svg>"},
	} {
		text, err := os.ReadFile(filepath.Join(repo, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if strings.Count(string(text), want) != 1 {
				t.Errorf("%s does not have %q once", name, want)
			}
		}
	}
}

// What is asked for by mistake is refused before anything is measured.
func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"--only", "ax"}, {"--scale", "0"}, {"--write", "--quick"}, {"--write", "--only", "a"}, {"--write", "--out", "x"}, {"a"}, {"--nonsense"}} {
		if err := run(t.Context(), args, t.Output()); !errors.Is(err, errUsage) {
			t.Errorf("%q: the error is %v", args, err)
		}
	}
}
