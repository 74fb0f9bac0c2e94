package enginelog

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What engines wrote, in testdata/*.jsonl, is from Terraform 1.11.4 and OpenTofu 1.12.6: a plan with a check that warns and
// a precondition that fails, an apply whose local-exec fails, an apply without its plan, an init, and a log (TF_LOG=JSON).
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal("no engine output in testdata", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".jsonl"), func(t *testing.T) {
			output, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			sink := func(level pb.LogLevel, text string) { fmt.Fprintf(&got, "%s|%s\n", level, text) }
			w := Stdout(sink, nil)
			if strings.HasSuffix(file, "-log.jsonl") {
				w = Stderr(sink)
			}
			feed(t, w, output, 100)
			golden := strings.TrimSuffix(file, ".jsonl") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("logs (-want +got):\n%s", diff)
			}
		})
	}
}

// feed writes output in pieces of n bytes.
func feed(t testing.TB, w *Writer, output []byte, n int) {
	t.Helper()
	buf := make([]byte, min(n, len(output)))
	for len(output) > 0 {
		k := copy(buf, output)
		if taken, err := w.Write(buf[:k]); taken != k || err != nil {
			t.Fatalf("Write took %d of %d bytes: %v", taken, k, err)
		}
		clear(buf) // what was written is no longer the writer's
		output = output[k:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
