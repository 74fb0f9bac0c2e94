package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	var s Samples
	for i := range 100 {
		s.Add(time.Duration(i+1) * time.Millisecond)
	}
	table := Table{Header: append([]string{"what"}, SampleHeader...)}
	table.Add(append([]string{"one"}, s.Cells()...)...)
	r := Report{Preface: "By hand.", Sections: []Section{
		{Title: "(a) First", Text: "How.", Tables: []Table{table}, Goals: []Goal{
			AtMost("a median", s.Median(), 50.5, " ms"), AtMost("a median too slow", s.Median(), 50, " ms"), AtLeast("a ratio", 1.7, 1.7, "×"),
		}, Plots: []Plot{{File: "x.svg", Title: "X", Series: []Series{{Name: "one", X: []float64{1, 2}, Y: []float64{1, 4}}}}}},
		{Title: "(b) Second", Failed: "no\nluck"},
	}}
	dir := t.TempDir()
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(dir, "README.md")
	if err := os.WriteFile(page, []byte("before\n"+begin+"old\n"+end+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Insert(page, r.Goals()+r.Details("###", "results/")); err != nil {
			t.Fatal(err)
		}
	}
	for name, wants := range map[string][]string{
		FileName: {
			"By hand.", "| a median | 50.5 ms | ≤ 50.5 ms | met |", "| a median too slow | 50.5 ms | ≤ 50 ms | not met |", "| a ratio | 1.70× | ≥ 1.7× | met |",
			"| (b) Second | failed |  | not met |", "Failed: no luck", "| one | 50.5 | 25.8 – 75.2 | 99.0 | 100 |", "\n## (a) First\n", "](x.svg)",
		},
		"README.md": {"before\n" + begin + "\n|", "\n### (a) First\n", "](results/x.svg)", "\n\n" + end + "after\n"},
		"x.svg":     {"</svg>"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if strings.Count(string(text), want) != 1 {
				t.Errorf("%s: %q is not there once:\n%s", name, want, text)
			}
		}
		if strings.Contains(string(text), "old\n") {
			t.Errorf("%s: the old text is still there", name)
		}
	}
	if err := Insert(filepath.Join(dir, FileName), "x"); err == nil {
		t.Error("a page without marks was changed")
	}
}
