package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// DiffGraph says how an answer differs from the expected one; "" if it does not. Timings are not compared. What has no
// order of its own is compared as a set: the agents of a resource, AI tasks, the volumes that are watched. An expected app without an id
// stands for one with any UUID. An expected error is the end of the answer's.
func DiffGraph(want, got *pb.GraphComplete) string {
	if diff, isError := diffError(want.GetError(), got.GetError()); isError {
		return diff
	}
	want, got = proto.CloneOf(want), proto.CloneOf(got)
	want.Timings, got.Timings = nil, nil
	normalize(want)
	normalize(got)
	if diff := blankIDs(want, got); diff != "" {
		return diff
	}
	return cmp.Diff(want, got, protocmp.Transform())
}

// DiffPlan says how the cost and the number of AI tasks differ from the expected ones; "" if they do not.
func DiffPlan(want, got *pb.PlanComplete) string {
	if diff, isError := diffError(want.GetError(), got.GetError()); isError {
		return diff
	}
	if want.GetDailyCost() != got.GetDailyCost() || want.GetAiTaskCount() != got.GetAiTaskCount() {
		return fmt.Sprintf("dailyCost %d, ai_task_count %d; want %d and %d",
			got.GetDailyCost(), got.GetAiTaskCount(), want.GetDailyCost(), want.GetAiTaskCount())
	}
	return ""
}

// diffError compares errors. isError says that one was expected or given, so that there is nothing else to compare.
func diffError(want, got string) (diff string, isError bool) {
	switch {
	case want == "" && got == "":
		return "", false
	case want == "":
		return fmt.Sprintf("the answer has an error: %s", got), true
	case got == "" || !strings.HasSuffix(got, want):
		return fmt.Sprintf("the answer's error is %q, want one that ends in %q", got, want), true
	}
	return "", true
}

// normalize sorts what is compared as a set.
func normalize(g *pb.GraphComplete) {
	for _, r := range g.GetResources() {
		for _, a := range r.GetAgents() {
			sortBy(a.GetResourcesMonitoring().GetVolumes(), (*pb.VolumeResourceMonitor).GetPath)
		}
		sortBy(r.GetAgents(), (*pb.Agent).GetName)
	}
	sortBy(g.GetAiTasks(), func(t *pb.AITask) string { return t.GetId() + " " + t.GetAppId() })
}

func sortBy[E any](list []E, key func(E) string) {
	slices.SortStableFunc(list, func(a, b E) int { return strings.Compare(key(a), key(b)) })
}

// blankIDs takes the ids out of got's apps where want's have none, and checks that they were UUIDs, each one its own.
func blankIDs(want, got *pb.GraphComplete) string {
	blank := make(map[string]bool) // slugs, which are unique in a template
	for _, app := range apps(want) {
		blank[app.GetSlug()] = app.GetId() == ""
	}
	slugByID := make(map[string]string)
	for _, app := range apps(got) {
		if !blank[app.GetSlug()] {
			continue
		}
		if err := uuid.Validate(app.GetId()); err != nil {
			return fmt.Sprintf("the id of the app %s is %q: %v", app.GetSlug(), app.GetId(), err)
		}
		if other, ok := slugByID[app.GetId()]; ok && other != app.GetSlug() {
			return fmt.Sprintf("the apps %s and %s have the same id", other, app.GetSlug())
		}
		slugByID[app.GetId()] = app.GetSlug()
		app.Id = ""
	}
	return ""
}

func apps(g *pb.GraphComplete) []*pb.App {
	var list []*pb.App
	for _, r := range g.GetResources() {
		for _, a := range r.GetAgents() {
			list = append(list, a.GetApps()...)
		}
	}
	return list
}
