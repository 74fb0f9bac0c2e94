// Package timings measures a stage from the engine's own events: when it worked on which resource, and for how long.
package timings

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/provisor/provisor/plugins/terraform/internal/enginelog"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Recorder collects the timings of one stage. Make it when the stage begins.
type Recorder struct {
	stage string
	begun time.Time
	now   func() time.Time

	spans map[key]*span
	// order has the keys as they were first seen, so that equal input gives equal output.
	order []key
	// loading is the part of an init that goes on just now, if any does.
	loading *span
}

// key is what makes two events those of the same work.
type key struct{ category, action, resource, source string }

type span struct {
	start, end time.Time
	failed     bool
}

// New begins to record a stage: "init", "plan", "apply" or "graph".
func New(stage string) *Recorder { return newRecorder(stage, time.Now) }

func newRecorder(stage string, now func() time.Time) *Recorder {
	return &Recorder{stage: stage, begun: now(), now: now, spans: make(map[key]*span)}
}

// Observe takes one event of the engine, which arrived just then.
func (r *Recorder) Observe(e *enginelog.Event, arrived time.Time) {
	if r.stage == "init" {
		if resource, ends := initPart(e); resource != "" || ends {
			r.load(resource, timeOf(e, arrived))
		}
		return
	}
	category, edge, _ := strings.Cut(e.Type, "_")
	action := actionOf(category)
	if action == "" {
		return
	}
	if e.Hook.Action != "" {
		action = e.Hook.Action
	}
	k := key{category, action, e.Hook.Address, e.Hook.ImpliedProvider}
	switch edge {
	case "start":
		r.span(k).start = timeOf(e, arrived)
	case "complete", "errored":
		s := r.span(k)
		s.end, s.failed = timeOf(e, arrived), edge == "errored"
	}
}

// actionOf is the action of events of a category where the hook names none, or empty if they are not measured.
func actionOf(category string) string {
	switch category {
	case "apply", "provision":
		return category
	case "refresh":
		return "state refresh"
	}
	return ""
}

func (r *Recorder) span(k key) *span {
	s := r.spans[k]
	if s == nil {
		s = new(span)
		k = key{strings.Clone(k.category), strings.Clone(k.action), strings.Clone(k.resource), strings.Clone(k.source)}
		r.spans[k] = s
		r.order = append(r.order, k)
	}
	return s
}

// load ends the part of the init that goes on and begins the next one, if there is a next.
func (r *Recorder) load(resource string, at time.Time) {
	if r.loading != nil {
		r.loading.end = at
		r.loading = nil
	}
	if resource != "" {
		r.loading = r.span(key{category: "init", action: "load", resource: resource})
		*r.loading = span{start: at}
	}
}

// timeOf is the event's own time. Where it has none, or one of whole seconds as the messages of init have, it is the time
// of arrival.
func timeOf(e *enginelog.Event, arrived time.Time) time.Time {
	if strings.Contains(e.Timestamp, ".") {
		if t, err := time.Parse(time.RFC3339Nano, e.Timestamp); err == nil {
			return t
		}
	}
	return arrived
}

// Finish ends the stage. Its own timing comes first, then one for each piece of work that has a start and an end.
func (r *Recorder) Finish(failed bool) []*pb.Timing {
	whole := &span{start: r.begun, end: r.now(), failed: failed}
	out := []*pb.Timing{r.timing(key{action: "terraform", source: "coder", resource: "coder_stage_" + r.stage}, whole)}
	for _, k := range r.order {
		if s := r.spans[k]; !s.start.IsZero() && !s.end.IsZero() {
			out = append(out, r.timing(k, s))
		}
	}
	return out
}

func (r *Recorder) timing(k key, s *span) *pb.Timing {
	state := pb.TimingState_COMPLETED
	if s.failed {
		state = pb.TimingState_FAILED
	}
	start, end := s.start, s.end
	if end.Before(start) {
		start = end
	}
	return &pb.Timing{
		Start: timestamp(start), End: timestamp(end),
		Action: k.action, Source: k.source, Resource: k.resource,
		Stage: r.stage, State: state,
	}
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	return timestamppb.New(t.UTC().Truncate(time.Microsecond))
}
