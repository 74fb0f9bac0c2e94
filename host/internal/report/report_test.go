package report

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

var times = regexp.MustCompile(`\d+\.\ds`)

func written(f func(p *Printer)) string {
	var out strings.Builder
	f(NewPlain(&out))
	return times.ReplaceAllString(out.String(), "N.Ns")
}

func TestSteps(t *testing.T) {
	got := written(func(p *Printer) {
		p.Start("plan")
		p.Log(&pb.Log{Level: pb.LogLevel_INFO, Output: "Plan: 1 to add"})
		p.Log(&pb.Log{Level: pb.LogLevel_ERROR, Output: "two\nlines \x1b[31mred\x07 \u202eback"})
		p.Done("")
		p.Start("apply")
		p.Done("exit status 1\nmore")
	})
	want := `plan ...
  Plan: 1 to add
x two
x lines [31mred back
✓ plan N.Ns
apply ...
✗ apply N.Ns
  exit status 1
  more
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is written beside a step makes the line that counts its seconds go and come back.
func TestBeside(t *testing.T) {
	var out strings.Builder
	p := NewPlain(&out)
	p.live, p.step, p.since = true, "plan", time.Now()
	if n, err := p.Beside(&out).Write([]byte("a log line\n")); n != 11 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if got, want := times.ReplaceAllString(out.String(), "N.Ns"), "\r\x1b[Ka log line\n• plan N.Ns"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestChanges(t *testing.T) {
	plan := `{"resource_changes": [
		{"address": "a.new", "mode": "managed", "change": {"actions": ["create"]}},
		{"address": "a.same", "mode": "managed", "change": {"actions": ["no-op"]}},
		{"address": "data.a.read", "mode": "data", "change": {"actions": ["read"]}},
		{"address": "a.other", "mode": "managed", "change": {"actions": ["update"]}},
		{"address": "a.swap", "mode": "managed", "change": {"actions": ["delete", "create"]}},
		{"address": "a.gone", "mode": "managed", "change": {"actions": ["delete"]}}]}`
	for name, test := range map[string]struct{ plan, want string }{
		"all kinds": {plan, "    + a.new\n    ~ a.other\n  -/+ a.swap\n    - a.gone\nPlanned: 1 to create, 1 to update, 1 to replace, 1 to delete.\n"},
		"none":      {`{}`, "No changes.\n"},
		"no plan":   {"", "No changes.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			changes, err := Changes([]byte(test.plan))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, written(func(p *Printer) { p.Changes(changes) })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := Changes([]byte("[")); err == nil {
		t.Error("a broken plan was read")
	}
}

func TestResources(t *testing.T) {
	graph := &pb.GraphComplete{Resources: []*pb.Resource{
		{Name: "text", Type: "terraform_data", ModulePath: "module.greeting"},
		{Name: "vm", Type: "aws_instance", InstanceType: "t3.large", DailyCost: 12, Agents: []*pb.Agent{
			{Name: "main", OperatingSystem: "linux", Architecture: "amd64", Apps: []*pb.App{{Slug: "code"}, {Slug: "docs"}}},
			{Name: "side", OperatingSystem: "darwin", Architecture: "arm64"},
		}},
	}}
	want := strings.TrimPrefix(`
┌─────────────────────────────────────┬─────────────────────┬──────┬────────────┐
│ RESOURCE                            │ AGENTS              │ APPS │ DAILY COST │
├─────────────────────────────────────┼─────────────────────┼──────┼────────────┤
│ module.greeting.terraform_data.text │                     │      │            │
│ aws_instance.vm (t3.large)          │ main (linux/amd64)  │ code │ 12         │
│                                     │                     │ docs │            │
│                                     │ side (darwin/arm64) │      │            │
├─────────────────────────────────────┼─────────────────────┼──────┼────────────┤
│ SUM                                 │                     │      │ 12         │
└─────────────────────────────────────┴─────────────────────┴──────┴────────────┘
`, "\n")
	if diff := cmp.Diff(want, written(func(p *Printer) { p.Resources(graph) })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	costly := &pb.GraphComplete{Resources: []*pb.Resource{{Name: "vm", Type: "box", DailyCost: 3}}}
	if got := written(func(p *Printer) { p.Resources(costly) }); !strings.Contains(got, "│ SUM      │ 3") {
		t.Errorf("without agents and apps the sum has no name:\n%s", got)
	}
	if got := written(func(p *Printer) { p.Resources(nil) }); got != "No resources.\n" {
		t.Errorf("an empty graph: %q", got)
	}
}

func TestVariables(t *testing.T) {
	parse := &pb.ParseComplete{
		TemplateVariables: []*pb.TemplateVariable{{Name: "region", Type: "string", DefaultValue: "eu"}, {Name: "key", Required: true, Sensitive: true, Description: "A key"}},
		WorkspaceTags:     map[string]string{"zone": `"b"`, "cluster": "var.region"},
	}
	got := written(func(p *Printer) { p.Variables(parse) })
	for _, want := range []string{"region", "string", "eu", "required", "(sensitive)", "A key", "Workspace tag cluster = var.region\nWorkspace tag zone = \"b\"\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
}
