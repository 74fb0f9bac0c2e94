package e2e

import (
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Each TF_ variable that the operator lets through is told once in each request that runs the engine; only values without secrets are.
func TestNotices(t *testing.T) {
	r := newRecorder(t, "TF_REGISTRY_CLIENT_TIMEOUT=30", "TF_TOKEN_example_com=secret", "OTHER=1")
	s := open(t, r.runtime)
	for _, step := range []struct {
		name    string
		request *pb.Request
		engine  bool
	}{
		{"init", initRequestOf(archive(t, "main.tf", requestTemplate)), true},
		{"parse", &pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}}, false},
		{"plan", planRequest(&pb.PlanRequest{}), true},
		{"apply", applyRequest(&pb.ApplyRequest{}), true},
		{"graph", graphRequest(pb.GraphSource_SOURCE_STATE), true},
	} {
		var got, want []string
		if step.engine {
			want = []string{
				"WARN terraform environment variable: TF_REGISTRY_CLIENT_TIMEOUT=30",
				"WARN terraform environment variable: TF_TOKEN_example_com=<value redacted>",
			}
		}
		if _, err := s.Do(t.Context(), step.request, func(l *pb.Log) {
			if strings.Contains(l.GetOutput(), "environment variable") {
				got = append(got, l.GetLevel().String()+" "+l.GetOutput())
			}
		}); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

// The workspace is the business of plan and apply alone: init, show and graph get no CODER_ variable.
func TestEnvironmentOfEachCommand(t *testing.T) {
	r := newRecorder(t)
	requests := scenarios[0].requests(t)
	var got []string
	for command := range strings.SplitSeq(r.outcome(t, requests), "\n== ") {
		head, _, _ := strings.Cut(command, "\n-- ")
		lines := strings.Split(head, "\n")
		name, _, _ := strings.Cut(lines[0], " ")
		has := slices.ContainsFunc(lines[1:], func(l string) bool { return strings.HasPrefix(l, "CODER_") })
		parameters := slices.ContainsFunc(lines[1:], func(l string) bool { return strings.HasPrefix(l, "CODER_PARAMETER_") })
		log := slices.Contains(lines[1:], "TF_LOG=JSON")
		if slices.Contains([]string{"init", "plan", "show", "apply", "graph"}, name) {
			got = append(got, strings.Join(strings.Fields(name+" "+note(has, "workspace")+note(parameters, "parameters")+note(log, "log")), " "))
		}
	}
	want := []string{"init", "plan workspace parameters log", "show", "apply workspace log", "show", "graph"}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func note(is bool, text string) string {
	if is {
		return text + " "
	}
	return ""
}
