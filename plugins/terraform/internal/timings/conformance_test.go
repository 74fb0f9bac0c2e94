package timings

import (
	stdcmp "cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/provisor/provisor/plugins/terraform/internal/conformance"
	"github.com/provisor/provisor/plugins/terraform/internal/enginelog"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestConformanceTimings(t *testing.T) {
	for _, c := range conformance.Cases(t, "expect.timings.json") {
		t.Run(c.Name, func(t *testing.T) {
			var got []*pb.Timing
			for _, stage := range []string{"init", "plan", "apply", "graph"} {
				output, err := os.ReadFile(filepath.Join(c.Dir, stage+".stdout.jsonl"))
				if os.IsNotExist(err) {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				r := New(stage)
				w := enginelog.Stdout(func(pb.LogLevel, string) {}, r.Observe)
				_, _ = w.Write(output)
				clear(output) // what was written is no longer the writer's
				_ = w.Close()
				got = append(got, r.Finish(false)[1:]...) // the first is the stage's own
			}
			want := expected(t, c)
			slices.SortFunc(want, byWork)
			slices.SortFunc(got, byWork)
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("timings (-want +got):\n%s", diff)
			}
		})
	}
}

func expected(t *testing.T, c conformance.Case) []*pb.Timing {
	t.Helper()
	var list []json.RawMessage
	if err := json.Unmarshal(c.Read(t, "expect.timings.json"), &list); err != nil {
		t.Fatal(err)
	}
	var out []*pb.Timing
	for _, raw := range list {
		timing := new(pb.Timing)
		if err := protojson.Unmarshal(raw, timing); err != nil {
			t.Fatal(err)
		}
		out = append(out, timing)
	}
	return out
}

// byWork orders timings by what they are of.
func byWork(a, b *pb.Timing) int {
	return stdcmp.Or(
		strings.Compare(a.GetResource(), b.GetResource()),
		strings.Compare(a.GetStage(), b.GetStage()),
		strings.Compare(a.GetAction(), b.GetAction()),
	)
}
