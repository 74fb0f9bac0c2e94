package conformance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/plugins/terraform/internal/conformance"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func parse[M proto.Message](t *testing.T, text string, into M) M {
	t.Helper()
	if err := protojson.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
	return into
}

func TestDiffGraph(t *testing.T) {
	const id, otherID = "c0ffee00-0000-4000-8000-000000000001", "c0ffee00-0000-4000-8000-000000000002"
	app := func(slug, id string) string {
		return `{"slug":"` + slug + `","id":"` + id + `"}`
	}
	agentWith := func(apps ...string) string {
		return `{"resources":[{"name":"r","agents":[{"name":"a","apps":[` + strings.Join(apps, ",") + `]}]}]}`
	}
	tests := map[string]struct {
		want, got string
		differs   bool
	}{
		"equal":                      {`{"resources":[{"name":"a"}]}`, `{"resources":[{"name":"a"}]}`, false},
		"another name":               {`{"resources":[{"name":"a"}]}`, `{"resources":[{"name":"b"}]}`, true},
		"resources in another order": {`{"resources":[{"name":"a"},{"name":"b"}]}`, `{"resources":[{"name":"b"},{"name":"a"}]}`, true},
		"agents in another order": {
			`{"resources":[{"agents":[{"name":"a"},{"name":"b"}]}]}`, `{"resources":[{"agents":[{"name":"b"},{"name":"a"}]}]}`, false,
		},
		"an agent more":                 {`{"resources":[{"agents":[{"name":"a"}]}]}`, `{"resources":[{"agents":[{"name":"a"},{"name":"a"}]}]}`, true},
		"tasks in another order":        {`{"ai_tasks":[{"id":"1"},{"id":"2"}]}`, `{"ai_tasks":[{"id":"2"},{"id":"1"}]}`, false},
		"parameters in another order":   {`{"parameters":[{"name":"1"},{"name":"2"}]}`, `{"parameters":[{"name":"2"},{"name":"1"}]}`, true},
		"timings are not compared":      {`{}`, `{"timings":[{"action":"x"}]}`, false},
		"a set field that is empty":     {`{"resources":[{"agents":[{"token":""}]}]}`, `{"resources":[{"agents":[{}]}]}`, true},
		"the kind of auth":              {`{"resources":[{"agents":[{"token":""}]}]}`, `{"resources":[{"agents":[{"instance_id":""}]}]}`, true},
		"a blank id, and a UUID":        {agentWith(app("x", "")), agentWith(app("x", id)), false},
		"blank ids, and two UUIDs":      {agentWith(app("x", ""), app("y", "")), agentWith(app("x", id), app("y", otherID)), false},
		"blank ids, and one UUID twice": {agentWith(app("x", ""), app("y", "")), agentWith(app("x", id), app("y", id)), true},
		"a blank id, and none":          {agentWith(app("x", "")), agentWith(app("x", "")), true},
		"a blank id, and no UUID":       {agentWith(app("x", "")), agentWith(app("x", "new-1")), true},
		"another id":                    {agentWith(app("x", id)), agentWith(app("x", otherID)), true},
		"the same id":                   {agentWith(app("x", id)), agentWith(app("x", id)), false},
		"an error, word for word":       {`{"error":"duplicate agent name: X"}`, `{"error":"duplicate agent name: X"}`, false},
		"the end of an error":           {`{"error":"duplicate agent name: X"}`, `{"error":"extract: duplicate agent name: X"}`, false},
		"another error":                 {`{"error":"duplicate agent name: X"}`, `{"error":"duplicate agent name: Y"}`, true},
		"no error":                      {`{"error":"duplicate agent name: X"}`, `{}`, true},
		"an error, unexpectedly":        {`{}`, `{"error":"x"}`, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want, got := parse(t, test.want, &pb.GraphComplete{}), parse(t, test.got, &pb.GraphComplete{})
			before := proto.CloneOf(got)
			if diff := conformance.DiffGraph(want, got); (diff != "") != test.differs {
				t.Errorf("got the difference %q", diff)
			}
			if !proto.Equal(before, got) {
				t.Error("comparing changes the answer")
			}
		})
	}
}

func TestDiffPlan(t *testing.T) {
	want := parse(t, `{"dailyCost":5,"ai_task_count":1}`, &pb.PlanComplete{})
	for text, differs := range map[string]bool{
		`{"dailyCost":5,"ai_task_count":1}`:             false,
		`{"dailyCost":5,"ai_task_count":1,"plan":"AA"}`: false,
		`{"dailyCost":6,"ai_task_count":1}`:             true,
		`{"dailyCost":5}`:                               true,
		`{"dailyCost":5,"ai_task_count":1,"error":"x"}`: true,
	} {
		if diff := conformance.DiffPlan(want, parse(t, text, &pb.PlanComplete{})); (diff != "") != differs {
			t.Errorf("%s: got the difference %q", text, diff)
		}
	}
}

func TestCases(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PROVISOR_CONFORMANCE", dir)
	c := conformance.Case{Name: "b", Dir: filepath.Join(dir, "b")}
	for _, name := range []string{"a", "b"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	answer := &pb.GraphComplete{HasAiTasks: true}
	c.Write(t, conformance.GraphOfPlan, answer)
	if diff := cmp.Diff([]conformance.Case{c}, conformance.Cases(t, conformance.GraphOfPlan)); diff != "" {
		t.Errorf("cases differ (-want +got):\n%s", diff)
	}
	if got := c.Graph(t, conformance.GraphOfPlan); !proto.Equal(got, answer) {
		t.Errorf("got %v, want %v", got, answer)
	}
	t.Run("none", func(t *testing.T) {
		defer func() {
			if !t.Skipped() {
				t.Error("without a case the test is not skipped")
			}
		}()
		conformance.Cases(t, conformance.PlanComplete)
	})
}
