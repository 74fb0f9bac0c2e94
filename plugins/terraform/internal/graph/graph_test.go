package graph

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func planTotals(t *testing.T, tp *template) (Totals, error) {
	t.Helper()
	plan, err := show.ReadPlan(tp.json(t, pb.GraphSource_SOURCE_PLAN))
	if err != nil {
		t.Fatal(err)
	}
	return PlanTotals(plan)
}

func TestSources(t *testing.T) {
	const dot = "digraph { }"
	tests := map[string]struct {
		source     pb.GraphSource
		shown, dot string
		wantError  string // contained; "" for an empty, successful answer
	}{
		"unknown":                    {pb.GraphSource_SOURCE_UNKNOWN, "{}", dot, `unknown graph source: "SOURCE_UNKNOWN"`},
		"a number that is no source": {pb.GraphSource(7), "{}", dot, `unknown graph source: "7"`},
		"an empty plan":              {pb.GraphSource_SOURCE_PLAN, `{"format_version":"1.2","planned_values":{"root_module":{}}}`, dot, ""},
		"a plan without a root":      {pb.GraphSource_SOURCE_PLAN, `{"format_version":"1.2","planned_values":{}}`, dot, ""},
		"prior state without values": {pb.GraphSource_SOURCE_PLAN, `{"format_version":"1.2","planned_values":{},"prior_state":{"format_version":"1.0"}}`, dot, ""},
		"a state without values":     {pb.GraphSource_SOURCE_STATE, `{"format_version":"1.0"}`, dot, ""},
		"a state with null values":   {pb.GraphSource_SOURCE_STATE, `{"format_version":"1.0","values":null}`, dot, ""},
		"a state with empty values":  {pb.GraphSource_SOURCE_STATE, `{"format_version":"1.0","values":{}}`, dot, ""},
		"an empty state":             {pb.GraphSource_SOURCE_STATE, `{"format_version":"1.0","values":{"root_module":{}}}`, dot, ""},
		"plan: nothing":              {pb.GraphSource_SOURCE_PLAN, ``, dot, "read the plan: it is empty"},
		"plan: no JSON":              {pb.GraphSource_SOURCE_PLAN, `{"format`, dot, "read the plan: it is not JSON"},
		"plan: no object":            {pb.GraphSource_SOURCE_PLAN, `[]`, dot, "read the plan: it is not a JSON object"},
		"plan: more behind it":       {pb.GraphSource_SOURCE_PLAN, `{"format_version":"1.2","planned_values":{}} {}`, dot, "read the plan: it is not JSON"},
		"plan: no version":           {pb.GraphSource_SOURCE_PLAN, `{"planned_values":{}}`, dot, "read the plan: format_version is missing"},
		"plan: unknown version":      {pb.GraphSource_SOURCE_PLAN, `{"format_version":"2.0","planned_values":{}}`, dot, `read the plan: format_version is "2.0"`},
		"plan: version that is none": {pb.GraphSource_SOURCE_PLAN, `{"format_version":"one","planned_values":{}}`, dot, `read the plan: format_version is "one"`},
		"plan: it is a state":        {pb.GraphSource_SOURCE_PLAN, `{"format_version":"1.0","values":{}}`, dot, "read the plan: planned_values is missing"},
		"plan: wrong kind":           {pb.GraphSource_SOURCE_PLAN, `{"format_version":"1.2","planned_values":{"root_module":{"resources":5}}}`, dot, "planned_values.root_module.resources is a number, want an array"},
		"plan: null resource":        {pb.GraphSource_SOURCE_PLAN, `{"format_version":"1.2","planned_values":{"root_module":{"resources":[null]}}}`, dot, "read the plan: planned_values: a resource is null"},
		"plan: no address":           {pb.GraphSource_SOURCE_PLAN, `{"format_version":"1.2","planned_values":{"root_module":{"resources":[{"type":"a"}]}}}`, dot, `read the plan: planned_values: resource "" has no address`},
		"plan: no mode":              {pb.GraphSource_SOURCE_PLAN, `{"format_version":"1.2","planned_values":{"root_module":{"resources":[{"address":"a.b","type":"a"}]}}}`, dot, `resource "a.b" has no mode`},
		"prior state: no type":       {pb.GraphSource_SOURCE_PLAN, `{"format_version":"1.2","planned_values":{},"prior_state":{"values":{"root_module":{"child_modules":[{"resources":[{"address":"a.b","mode":"data"}]}]}}}}`, dot, `read the plan: prior_state: resource "a.b" has no type`},
		"plan: a null child module":  {pb.GraphSource_SOURCE_PLAN, `{"format_version":"1.2","planned_values":{"root_module":{"child_modules":[null]}}}`, dot, ""},
		"plan: values are no object": {pb.GraphSource_SOURCE_PLAN, `{"format_version":"1.2","planned_values":{"root_module":{"resources":[{"address":"coder_agent.a","mode":"managed","type":"coder_agent","name":"a","values":[]}]}}}`, dot, "coder_agent.a: the values are not a JSON object"},
		"state: no JSON":             {pb.GraphSource_SOURCE_STATE, `x`, dot, "read the state: it is not JSON"},
		"state: no version":          {pb.GraphSource_SOURCE_STATE, `{}`, dot, "read the state: format_version is missing"},
		"state: no name":             {pb.GraphSource_SOURCE_STATE, `{"format_version":"1.0","values":{"root_module":{"resources":[{"address":"a.b","mode":"managed","type":"a"}]}}}`, dot, `read the state: values: resource "a.b" has no name`},
		"no graph":                   {pb.GraphSource_SOURCE_PLAN, `{"format_version":"1.2","planned_values":{}}`, "", "read the dependency graph: line 1: the graph ends too early"},
		"broken graph":               {pb.GraphSource_SOURCE_PLAN, `{"format_version":"1.2","planned_values":{}}`, "digraph {\n\"a\" ->\n}", "read the dependency graph: line 3"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := Complete(test.source, []byte(test.shown), []byte(test.dot), Options{})
			switch {
			case test.wantError == "" && !proto.Equal(got, &pb.GraphComplete{}):
				t.Errorf("got %v, want an empty answer", got)
			case !strings.Contains(got.GetError(), test.wantError):
				t.Errorf("got error %q, want one that says %q", got.GetError(), test.wantError)
			}
		})
	}
}

func TestNewIDsAreUUIDs(t *testing.T) {
	pattern := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if a, b := newUUID(), newUUID(); a == b || !pattern.MatchString(a) || !pattern.MatchString(b) {
		t.Errorf("got %s and %s, want two random UUIDs", a, b)
	}
}

// bigTemplate has something of everything.
func bigTemplate() *template {
	tp := layered(5, "")
	tp.planned = append(tp.planned,
		instance{"coder_metadata.m", attributes{"daily_cost": 5}},
		instance{"coder_ai_task.t", attributes{"app_id": "x"}}, instance{"coder_ai_task.s", nil},
		instance{"coder_external_agent.e", nil}, instance{"coder_env.e", nil}, instance{"coder_script.s", nil}, instance{"coder_devcontainer.d", nil},
	)
	tp.edges = append(tp.edges,
		"coder_metadata.m -> null_resource.r-1-1", "coder_env.e -> coder_agent.agent-1", "coder_script.s -> coder_agent.agent-2",
		"coder_devcontainer.d -> coder_agent.agent-1", "coder_external_agent.e -> coder_agent.agent-4",
	)
	tp.prior = []instance{
		{"data.coder_parameter.z", named("z")}, {"data.coder_parameter.a", named("a")},
		{"data.coder_workspace_preset.p", attributes{"name": "P", "parameters": attributes{"z": "1", "a": "2", "lost": "3"}}},
		{"data.coder_external_auth.a", attributes{"id": "github"}},
	}
	return tp
}

func TestEqualInputGivesEqualBytes(t *testing.T) {
	tp := bigTemplate()
	marshal := func(tp *template) []byte {
		data, err := proto.MarshalOptions{Deterministic: true}.Marshal(tp.plan(t))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	want := marshal(tp)
	for seed := range uint64(10) {
		if !bytes.Equal(want, marshal(tp)) {
			t.Fatal("the same input gives another answer")
		}
		if !bytes.Equal(want, marshal(tp.shuffled(seed))) {
			t.Fatalf("seed %d: another order of managed resources and edges gives another answer", seed)
		}
	}
}

func TestEveryInstanceOnceAndEveryAgentOnOneAddress(t *testing.T) {
	tp := bigTemplate()
	tp.planned = append(tp.planned, instance{"null_resource.counted[0]", nil}, instance{"null_resource.counted[1]", nil}, instance{"coder_agent.on-counted", nil})
	tp.edges = append(tp.edges, "null_resource.counted -> coder_agent.on-counted")
	answer := tp.plan(t)
	listed := 0
	for _, i := range tp.planned {
		if a, _ := parseAddress(i.address); !notListed[a.Type] {
			listed++
		}
	}
	if got := len(answer.GetResources()); got != listed {
		t.Errorf("got %d resources, want %d", got, listed)
	}
	holders := make(map[string]map[string]bool)
	for _, r := range answer.GetResources() {
		for _, a := range r.GetAgents() {
			if holders[a.GetName()] == nil {
				holders[a.GetName()] = make(map[string]bool)
			}
			holders[a.GetName()][r.GetType()+"."+r.GetName()] = true
		}
	}
	for name, on := range holders {
		if len(on) != 1 {
			t.Errorf("the agent %s hangs on %v, want one address", name, on)
		}
	}
	if len(holders) != 6 {
		t.Errorf("%d agents hang somewhere, want 6", len(holders))
	}
}
