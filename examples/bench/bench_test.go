package main

import (
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
