package replace_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	"github.com/provisor/provisor/plugins/terraform/internal/replace"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// find finds the replacements of a plan with the given resource_changes, as JSON.
func find(t *testing.T, changes ...string) []replace.Replacement {
	t.Helper()
	list, err := replace.Find(read(t, changes...))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func read(t *testing.T, changes ...string) *show.Plan {
	t.Helper()
	plan, err := show.ReadPlan([]byte(fmt.Sprintf(`{"format_version":"1.2","planned_values":{},"resource_changes":[%s]}`, strings.Join(changes, ","))))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// change is one resource's change; members are those of "change".
func change(address, members string) string {
	resourceType, _, _ := strings.Cut(address, ".")
	return fmt.Sprintf(`{"address":%q,"mode":"managed","type":%q,"change":{%s}}`, address, resourceType, members)
}

const replaced = `"actions":["delete","create"]`

func TestLinesShowBothSidesOfAPath(t *testing.T) {
	tests := map[string]struct {
		members string // beside the actions
		want    string // without the indentation and the end
	}{
		"values":                          {`"before":{"a":"x"},"after":{"a":"y"},"replace_paths":[["a"]]`, `a: "x" -> "y"`},
		"values as compact JSON":          {`"before":{"a":{"z": 1, "b": [true, null]}},"after":{"a":1.50},"replace_paths":[["a"]]`, `a: {"b":[true,null],"z":1} -> 1.50`},
		"text as it is":                   {`"before":{"a":"1 < 2 && 3 > 2"},"after":{"a":"two\nlines"},"replace_paths":[["a"]]`, `a: "1 < 2 && 3 > 2" -> "two\nlines"`},
		"large number":                    {`"before":{"a":9007199254740993},"after":{"a":1},"replace_paths":[["a"]]`, `a: 9007199254740993 -> 1`},
		"null is a value":                 {`"before":{"a":null},"after":{"a":1},"replace_paths":[["a"]]`, `a: null -> 1`},
		"dotted path":                     {`"before":{"disk":[{"size":8}]},"after":{"disk":[{"size":9}]},"replace_paths":[["disk",0,"size"]]`, `disk.0.size: 8 -> 9`},
		"key of a map":                    {`"before":{"tags":{"a.b":"x"}},"after":{"tags":{"a.b":"y"}},"replace_paths":[["tags","a.b"]]`, `tags.a.b: "x" -> "y"`},
		"number as key of a map":          {`"before":{"tags":{"7":"x"}},"after":{"tags":{"7":"y"}},"replace_paths":[["tags","7"]]`, `tags.7: "x" -> "y"`},
		"path that is no list":            {`"before":{"a":1},"after":{"a":2},"replace_paths":["a"]`, `a: 1 -> 2`},
		"unknown":                         {`"before":{"a":1},"after":{},"after_unknown":{"a":true},"replace_paths":[["a"]]`, `a: 1 -> (known after apply)`},
		"unknown by the whole":            {`"before":{"a":{"b":1}},"after":{},"after_unknown":{"a":true},"replace_paths":[["a","b"]]`, `a.b: 1 -> (known after apply)`},
		"unknown by a child":              {`"before":{"a":[1]},"after":{"a":[null]},"after_unknown":{"a":[true]},"replace_paths":[["a"]]`, `a: [1] -> (known after apply)`},
		"not unknown by a sibling":        {`"before":{"a":1},"after":{"a":2},"after_unknown":{"b":true,"a":false},"replace_paths":[["a"]]`, `a: 1 -> 2`},
		"unknown, and nothing before":     {`"before":null,"after":{},"after_unknown":{"a":true},"replace_paths":[["a"]]`, `a: (unavailable) -> (known after apply)`},
		"sensitive on both sides":         {`"before":{"a":1},"after":{"a":2},"before_sensitive":{"a":true},"after_sensitive":{"a":true},"replace_paths":[["a"]]`, `a: (sensitive value) -> (sensitive value)`},
		"sensitive before":                {`"before":{"a":1},"after":{"a":2},"before_sensitive":{"a":true},"after_sensitive":{},"replace_paths":[["a"]]`, `a: (sensitive value) -> 2`},
		"sensitive by the whole resource": {`"before":{"a":1},"after":{"a":2},"before_sensitive":true,"after_sensitive":false,"replace_paths":[["a"]]`, `a: (sensitive value) -> 2`},
		"sensitive by a child":            {`"before":{"a":{"b":[1,2]}},"after":{"a":2},"before_sensitive":{"a":{"b":[false,true]}},"replace_paths":[["a"]]`, `a: (sensitive value) -> 2`},
		"sensitive beats unknown":         {`"before":{"a":1},"after":{},"after_unknown":{"a":true},"after_sensitive":{"a":true},"replace_paths":[["a"]]`, `a: 1 -> (sensitive value)`},
		"sensitive child beats unknown":   {`"before":{"a":1},"after":{},"after_unknown":{"a":true},"after_sensitive":{"a":[true]},"replace_paths":[["a"]]`, `a: 1 -> (sensitive value)`},
		"nothing after":                   {`"before":{"a":1},"after":{},"replace_paths":[["a"]]`, `a: 1 -> (unavailable)`},
		"nothing before":                  {`"before":{},"after":{"a":1},"replace_paths":[["a"]]`, `a: (unavailable) -> 1`},
		"no side":                         {`"before":{},"after":{},"replace_paths":[["a",0]]`, `a.0`},
		"index out of range":              {`"before":{"a":[1]},"after":{"a":[1]},"replace_paths":[["a",1]]`, `a.1`},
		"no values at all":                {`"replace_paths":[["a"]]`, `a`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := []string{
				"Resource replacements:",
				"  -/+ docker_image.a (replace)",
				"      ~ " + test.want + " (forces replacement)",
			}
			got := replace.Lines(find(t, change("docker_image.a", replaced+","+test.members)))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("lines differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	list := find(t,
		change("docker_image.b", replaced+`,"before":{"x":1,"a":1},"after":{"x":2,"a":2},"replace_paths":[["x"],["a"],["x"]]`),
		change("docker_image.a", `"actions":["create","delete"],"before":{"x":1},"after":{"x":2}`),
	)
	wantLines := []string{
		"Resource replacements:",
		"  -/+ docker_image.a (replace)",
		"      ~ replacement reason unavailable",
		"  -/+ docker_image.b (replace)",
		"      ~ a: 1 -> 2 (forces replacement)",
		"      ~ x: 1 -> 2 (forces replacement)",
	}
	if diff := cmp.Diff(wantLines, replace.Lines(list)); diff != "" {
		t.Errorf("lines differ (-want +got):\n%s", diff)
	}
	wantMessages := []*pb.ResourceReplacement{{Resource: "docker_image.b", Paths: []string{"a", "x"}}}
	if diff := cmp.Diff(wantMessages, replace.Messages(list), protocmp.Transform()); diff != "" {
		t.Errorf("messages differ (-want +got):\n%s", diff)
	}
}

func TestWhatIsNoReplacement(t *testing.T) {
	tests := map[string]string{
		"create":         change("docker_image.a", `"actions":["create"],"after":{"a":1}`),
		"destroy":        change("docker_image.a", `"actions":["delete"],"before":{"a":1}`),
		"update":         change("docker_image.a", `"actions":["update"],"before":{"a":1},"after":{"a":2}`),
		"nothing to do":  change("docker_image.a", `"actions":["no-op"]`),
		"coder resource": change("coder_agent.a", replaced+`,"replace_paths":[["os"]]`),
		"deposed object": `{"address":"docker_image.a","mode":"managed","type":"docker_image","deposed":"abc","change":{"actions":["delete"]}}`,
		"data source":    `{"address":"data.http.a","mode":"data","type":"http","change":{"actions":["read"]}}`,
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			list := find(t, c)
			if len(list) != 0 || replace.Lines(list) != nil || replace.Messages(list) != nil {
				t.Errorf("got %+v, want nothing", list)
			}
		})
	}
}

func TestPathOfTheWholeResourceIsNoReason(t *testing.T) {
	list := find(t, change("docker_image.a", replaced+`,"before":{},"after":{},"replace_paths":[[]]`))
	if got := replace.Lines(list)[2]; got != "      ~ replacement reason unavailable" {
		t.Errorf("got %q", got)
	}
	if got := replace.Messages(list); got != nil {
		t.Errorf("got messages %v, want none: there is no path to name", got)
	}
}

func TestMalformedPathsAreAnError(t *testing.T) {
	_, err := replace.Find(read(t, change("docker_image.a", replaced+`,"replace_paths":{"a":1}`)))
	if err == nil || !strings.Contains(err.Error(), "docker_image.a: replace_paths") {
		t.Errorf("got error %v, want one that names the resource and the member", err)
	}
}

func TestHumanLines(t *testing.T) {
	const text = "\n  # docker_image.a must be replaced\n-/+ resource \"docker_image\" \"a\" {\r\n      ~ name = \"a\" -> \"b\" # forces replacement\n    }\n\nPlan: 1 to add"
	want := []replace.Line{
		{Level: pb.LogLevel_INFO, Text: ""},
		{Level: pb.LogLevel_INFO, Text: "  # docker_image.a must be replaced"},
		{Level: pb.LogLevel_INFO, Text: `-/+ resource "docker_image" "a" {`},
		{Level: pb.LogLevel_WARN, Text: `      ~ name = "a" -> "b" # forces replacement`},
		{Level: pb.LogLevel_INFO, Text: "    }"},
		{Level: pb.LogLevel_INFO, Text: ""},
		{Level: pb.LogLevel_INFO, Text: "Plan: 1 to add"},
	}
	if diff := cmp.Diff(want, replace.HumanLines(text)); diff != "" {
		t.Errorf("lines differ (-want +got):\n%s", diff)
	}
	if got := replace.HumanLines(""); got != nil {
		t.Errorf("no text gives %v", got)
	}
}

// The fixture is Terraform's own, of testdata/replace.tf with one variable changed and one resource tainted.
func TestRealPlan(t *testing.T) {
	data, err := os.ReadFile("testdata/replace.plan.json")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := show.ReadPlan(data)
	if err != nil {
		t.Fatal(err)
	}
	list, err := replace.Find(plan)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Resource replacements:",
		"  -/+ terraform_data.both (replace)",
		"      ~ triggers_replace: (sensitive value) -> (sensitive value) (forces replacement)",
		"  -/+ terraform_data.many[0] (replace)",
		`      ~ triggers_replace: "1" -> "2" (forces replacement)`,
		"  -/+ terraform_data.many[1] (replace)",
		`      ~ triggers_replace: "1" -> "2" (forces replacement)`,
		"  -/+ terraform_data.plain (replace)",
		`      ~ triggers_replace: {"a":"1","b.c":[1,"x<&>"]} -> {"a":"2","b.c":[1,"x<&>"]} (forces replacement)`,
		"  -/+ terraform_data.tainted (replace)",
		"      ~ replacement reason unavailable",
		"  -/+ terraform_data.unknown (replace)",
		`      ~ triggers_replace: {"a":"1","b":1} -> (known after apply) (forces replacement)`,
	}
	if diff := cmp.Diff(want, replace.Lines(list)); diff != "" {
		t.Errorf("lines differ (-want +got):\n%s", diff)
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte(`{"format_version":"1.2","planned_values":{},"resource_changes":[` +
		change("docker_image.a", replaced+`,"before":{"a":[1]},"after":{"a":[2]},"after_unknown":{"a":[false]},"before_sensitive":{},"replace_paths":[["a",0],["b"],[]]`) + `]}`))
	if data, err := os.ReadFile("testdata/replace.plan.json"); err == nil {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		plan, err := show.ReadPlan(data)
		if err != nil {
			return
		}
		list, err := replace.Find(plan)
		if err != nil {
			return
		}
		if got, want := len(replace.Messages(list)), len(list); got > want {
			t.Errorf("%d messages for %d replacements", got, want)
		}
		replace.Lines(list)
	})
}
