package kit

import (
	"bytes"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func TestJUnit(t *testing.T) {
	report := &Report{
		Plugin: "small", Version: "1.0.0", Digest: "ab12", Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Results: []Result{
			{Case{"answers", "It answers."}, Passed, "", 1500 * time.Millisecond},
			{Case{"cancel/plan", "It ends."}, Failed, "the host had to answer: <trap> & \"more\"\nand a second line\x1b[31m", time.Second},
			{Case{"cancel/apply", "It ends."}, Skipped, "give it a template", 0},
		},
	}
	var got bytes.Buffer
	if err := report.WriteJUnit(&got); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "junit.xml")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
	var back junitSuites
	if err := xml.Unmarshal(got.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if s := back.Suites[0]; s.Tests != 3 || s.Failures != 1 || s.Skipped != 1 || len(s.Cases) != 3 || s.Time != "2.500" {
		t.Errorf("got %+v", s)
	}
}
