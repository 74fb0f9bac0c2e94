package show_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
)

func TestReadPlan(t *testing.T) {
	plan, err := show.ReadPlan([]byte(`{
		"format_version": "1.2", "terraform_version": "1.11.4", "new_in_later_engines": {"x": [1]},
		"planned_values": {"outputs": {}, "root_module": {
			"resources": [{"address": "a.b", "mode": "managed", "type": "a", "name": "b", "index": 0, "values": {"x": 1}, "sensitive_values": {}}],
			"child_modules": [{"address": "module.m", "resources": [{"address": "module.m.a.b", "mode": "managed", "type": "a", "name": "b", "values": null}]}]
		}},
		"prior_state": {"format_version": "1.0", "values": {"root_module": {"resources": [{"address": "data.c.d", "mode": "data", "type": "c", "name": "d"}]}}},
		"resource_changes": [{"address": "a.b", "mode": "managed", "type": "a", "change": {"actions": ["delete", "create"], "before": {"x": 0}, "after": {"x": 1}, "replace_paths": [["x"]]}}]
	}`))
	if err != nil {
		t.Fatal(err)
	}
	names := func(m *show.Module) (list []string) {
		m.Walk(func(r *show.Resource) { list = append(list, fmt.Sprintf("%s %s", r.Address, r.Values)) })
		return list
	}
	if diff := cmp.Diff([]string{`module.m.a.b null`, `a.b {"x": 1}`}, names(plan.Planned)); diff != "" {
		t.Errorf("planned values differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`data.c.d `}, names(plan.Prior)); diff != "" {
		t.Errorf("the prior state differs (-want +got):\n%s", diff)
	}
	if c := plan.Changes[0]; c.Address != "a.b" || len(c.Change.Actions) != 2 || string(c.Change.ReplacePaths) != `[["x"]]` {
		t.Errorf("the change differs: %+v", c)
	}
	if got := names(nil); got != nil {
		t.Errorf("no module has the resources %v", got)
	}
}

func TestFormatVersions(t *testing.T) {
	for version, ok := range map[string]bool{"0.1": true, "0.2": true, "1.0": true, "1.2": true, "1.99": true, "2.0": false, "10.0": false, "x": false, "": false, "-1.0": false} {
		_, planErr := show.ReadPlan([]byte(fmt.Sprintf(`{"format_version":%q,"planned_values":{}}`, version)))
		_, stateErr := show.ReadState([]byte(fmt.Sprintf(`{"format_version":%q}`, version)))
		if (planErr == nil) != ok || (stateErr == nil) != ok {
			t.Errorf("version %q: plan: %v, state: %v", version, planErr, stateErr)
		}
	}
}

func TestDeepModules(t *testing.T) {
	const depth = 2000
	text := `{"format_version":"1.0","values":{"root_module":` + strings.Repeat(`{"child_modules":[`, depth) +
		`{"resources":[{"address":"a.b","mode":"managed","type":"a","name":"b"}]}` + strings.Repeat(`]}`, depth) + `}}`
	state, err := show.ReadState([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	state.Root.Walk(func(*show.Resource) { found++ })
	if found != 1 {
		t.Errorf("found %d resources, want 1", found)
	}
}

func FuzzReadPlan(f *testing.F) {
	f.Add([]byte(`{"format_version":"1.2","planned_values":{"root_module":{"resources":[{"address":"a.b","mode":"managed","type":"a","name":"b","values":{"x":1}}],"child_modules":[{}]}},"prior_state":{"values":{}},"resource_changes":[{"change":{"actions":["create"]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		plan, err := show.ReadPlan(data)
		if err != nil {
			return
		}
		plan.Planned.Walk(func(r *show.Resource) { checkResource(t, r) })
		plan.Prior.Walk(func(r *show.Resource) { checkResource(t, r) })
	})
}

func FuzzReadState(f *testing.F) {
	f.Add([]byte(`{"format_version":"1.0","values":{"root_module":{"resources":[{"address":"a.b","mode":"managed","type":"a","name":"b","values":{"x":1}}],"child_modules":[{}]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		state, err := show.ReadState(data)
		if err != nil {
			return
		}
		state.Root.Walk(func(r *show.Resource) { checkResource(t, r) })
	})
}

// checkResource checks what readers of a resource rely on.
func checkResource(t *testing.T, r *show.Resource) {
	if r.Address == "" || r.Mode == "" || r.Type == "" || r.Name == "" {
		t.Errorf("%+v lacks what every resource has", r)
	}
	if len(r.Values) > 0 && !json.Valid(r.Values) {
		t.Errorf("%s: the values are not JSON", r.Address)
	}
}

// bigPlan is a plan of n resources as an engine shows it: each of them four times, about 5 kB in all.
func bigPlan(n int) []byte {
	var planned, changes, configuration, prior []string
	for i := range n {
		values := fmt.Sprintf(`{"id":"%d","image":"registry.example.com/team/image:%d","env":["A=%d","B=2"],"labels":[{"label":"a","value":"%s"}],"ports":[],"user_data":%q}`,
			i, i, i, strings.Repeat("x", 100), strings.Repeat("line of a script\n", 30))
		head := fmt.Sprintf(`"address":"docker_container.c%d","mode":"managed","type":"docker_container","name":"c%d","provider_name":"registry.terraform.io/kreuzwerker/docker"`, i, i)
		planned = append(planned, fmt.Sprintf(`{%s,"schema_version":2,"values":%s,"sensitive_values":{"env":[],"labels":[{}]}}`, head, values))
		prior = append(prior, fmt.Sprintf(`{%s,"schema_version":2,"values":%s,"sensitive_values":{},"depends_on":["docker_image.a"]}`, head, values))
		changes = append(changes, fmt.Sprintf(`{%s,"change":{"actions":["delete","create"],"before":%s,"after":%s,"after_unknown":{"id":true,"env":[false,false]},"before_sensitive":{},"after_sensitive":{"labels":[{}]},"replace_paths":[["image"]]}}`, head, values, values))
		configuration = append(configuration, fmt.Sprintf(`{%s,"expressions":{"image":{"references":["docker_image.a.image_id","docker_image.a"]},"env":{"constant_value":["A","B"]}}}`, head))
	}
	join := func(list []string) string { return strings.Join(list, ",") }
	return []byte(`{"format_version":"1.2","terraform_version":"1.11.4","planned_values":{"root_module":{"resources":[` + join(planned) +
		`]}},"resource_changes":[` + join(changes) + `],"prior_state":{"format_version":"1.0","values":{"root_module":{"resources":[` + join(prior) +
		`]}}},"configuration":{"root_module":{"resources":[` + join(configuration) + `]}}}`)
}

func BenchmarkReadPlan(b *testing.B) {
	data := bigPlan(2000)
	if path := os.Getenv("PROVISOR_BENCH_PLAN"); path != "" { // a real one
		var err error
		if data, err = os.ReadFile(path); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := show.ReadPlan(data); err != nil {
			b.Fatal(err)
		}
	}
}

func TestErrors(t *testing.T) {
	const head = `{"format_version":"1.2","planned_values":`
	for text, want := range map[string]string{
		``:                         "it is empty, JSON was expected",
		`[]`:                       "it is not a JSON object but an array",
		`null`:                     "format_version is missing: this is not what the engine shows as JSON",
		`{"format_version":1}`:     "format_version is a number, want a string",
		head + `[]}`:               "planned_values is an array, want an object",
		head + `null}`:             "planned_values is missing: this is not what the engine shows of a plan",
		head + `{}} {}`:            "it is not JSON: byte 45: more comes after the end",
		head + `{}`:                "it is not JSON: byte 43: it ends too early",
		head + `{"x":[1,]}}`:       "it is not JSON: byte 49: unexpected ']'",
		head + `{},"x":tru}`:       "it is not JSON: byte 51: unexpected '}'",
		"{\"format_version\":\"\n": "it is not JSON: byte 19: unexpected '\\n'",
		head + `{"root_module":{"child_modules":[{"resources":5}]}}}`:                     "planned_values.root_module.child_modules.resources is a number, want an array",
		head + `{"root_module":{"resources":[null]}}}`:                                    "planned_values: a resource is null",
		head + `{"root_module":{"resources":[{"address":"a.b"}]}}}`:                       "planned_values: resource \"a.b\" has no mode",
		head + `{},"resource_changes":[{"change":{"actions":[{}]}}]}`:                     "resource_changes.change.actions is an object, want a string",
		head + `{"x":` + strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000) + `}}`: "it is not JSON: byte 10044: more than 10000 levels",
	} {
		_, err := show.ReadPlan([]byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), "read the plan: ") || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%.100s: %v, want %s", text, err, want)
		}
	}
}
