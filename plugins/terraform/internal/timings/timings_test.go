package timings

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/plugins/terraform/internal/enginelog"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// record observes events, one a second: "TYPE @TIMESTAMP ACTION ADDRESS PROVIDER" for a plan or apply, with - for an absent
// part, and "CODE|text" for an init.
func record(stage string, failed bool, events ...string) []string {
	clock := noon
	r := newRecorder(stage, func() time.Time { return clock })
	for _, text := range events {
		clock = clock.Add(time.Second)
		e := new(enginelog.Event)
		if stage == "init" {
			e.MessageCode, e.Message, _ = strings.Cut(text, "|")
		} else {
			f := strings.Fields(text)
			for i := range f {
				f[i] = strings.TrimPrefix(f[i], "-")
			}
			e.Type, e.Timestamp, e.Hook.Action = f[0], strings.TrimPrefix(f[1], "@"), f[2]
			e.Hook.Address, e.Hook.ImpliedProvider = f[3], f[4]
		}
		r.Observe(e, clock)
	}
	clock = clock.Add(time.Second)
	var out []string
	for _, t := range r.Finish(failed) {
		out = append(out, show(t))
	}
	return out
}

func show(t *pb.Timing) string {
	since := func(at time.Time) string { return at.Sub(noon).String() }
	return fmt.Sprintf("%s-%s %s %s %s %s %s", since(t.GetStart().AsTime()), since(t.GetEnd().AsTime()),
		t.GetAction(), t.GetSource(), t.GetResource(), t.GetStage(), t.GetState())
}

func TestEvents(t *testing.T) {
	const at = "@2026-03-01T12:00:0"
	for _, c := range []struct {
		name   string
		events []string
		want   []string
	}{
		{"a pair", []string{
			"apply_start " + at + "1.25Z create a.b p", "apply_complete " + at + "2.5Z create a.b p",
		}, []string{"1.25s-2.5s create p a.b apply COMPLETED"}},
		{"another zone, nanoseconds", []string{
			"apply_start @2026-03-01T14:00:01.123456789+02:00 create a.b p", "apply_errored " + at + "2.5Z create a.b p",
		}, []string{"1.123456s-2.5s create p a.b apply FAILED"}},
		{"no fraction: the time of arrival", []string{
			"apply_start " + at + "7Z create a.b p", "apply_complete " + at + "8Z create a.b p",
		}, []string{"1s-2s create p a.b apply COMPLETED"}},
		{"no time, a broken time", []string{
			"apply_start - create a.b p", "apply_complete @yesterday.noon create a.b p",
		}, []string{"1s-2s create p a.b apply COMPLETED"}},
		{"actions of hooks without one", []string{
			"apply_start - - a p", "provision_start - - a p", "refresh_start - - a p",
			"refresh_complete - - a p", "provision_errored - - a p", "apply_complete - - a p",
		}, []string{
			"1s-6s apply p a apply COMPLETED", "2s-5s provision p a apply FAILED", "3s-4s state refresh p a apply COMPLETED",
		}},
		{"no start or no end", []string{"apply_start - create a p", "apply_complete - create b p"}, nil},
		{"the action and the provider tell pairs apart", []string{
			"apply_start - delete a p", "apply_complete - delete a p",
			"apply_start - create a p", "apply_complete - create a q",
		}, []string{"1s-2s delete p a apply COMPLETED"}},
		{"a later pair replaces the earlier", []string{
			"provision_start - - a p", "provision_errored - - a p", "provision_start - - a p", "provision_complete - - a p",
		}, []string{"3s-4s provision p a apply COMPLETED"}},
		{"a later start without an end of its own", []string{
			"provision_start - - a p", "provision_complete - - a p", "provision_start - - a p",
		}, []string{"2s-2s provision p a apply COMPLETED"}},
		{"what is no pair", []string{
			"apply_progress - create a p", "planned_change - create a p", "apply_ - create a p", "apply - create a p",
			"ephemeral_op_start - open a p", "ephemeral_op_complete - open a p",
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := record("apply", false, c.events...)[1:]
			if diff := cmp.Diff(strings.Join(c.want, "\n"), strings.Join(got, "\n")); diff != "" {
				t.Errorf("timings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInit(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []string
		want   []string
	}{
		{"message codes", []string{
			"initializing_modules_message|Initializing modules...", "|Downloading", "initializing_backend_message|",
			"initializing_provider_plugin_message|", "output_init_success_message|", "output_init_success_cli_message|",
		}, []string{
			"1s-3s load  modules init COMPLETED", "3s-4s load  backend init COMPLETED", "4s-5s load  provider plugins init COMPLETED",
		}},
		{"other names of the same", []string{
			"upgrading_modules_message|", "initializing_state_store_message|", "output_init_success_cloud_message|",
		}, []string{"1s-2s load  modules init COMPLETED", "2s-3s load  backend init COMPLETED"}},
		{"no codes", []string{
			"|Initializing the backend...", "|Upgrading modules...", "|- m in m", "|Initializing provider plugins...",
			"|OpenTofu has been successfully initialized!",
		}, []string{
			"1s-2s load  backend init COMPLETED", "2s-4s load  modules init COMPLETED", "4s-5s load  provider plugins init COMPLETED",
		}},
		{"an unknown code is not read as text", []string{"new_message|Initializing modules...", "output_init_success_message|"}, nil},
		{"an init that fails", []string{"initializing_backend_message|", "initializing_modules_message|", "|Error: no such module"},
			[]string{"1s-2s load  backend init COMPLETED"}},
		{"the same part again", []string{"initializing_backend_message|", "initializing_backend_message|", "output_init_success_message|"},
			[]string{"2s-3s load  backend init COMPLETED"}},
		{"an end alone", []string{"output_init_success_message|"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := record("init", false, c.events...)[1:]
			if diff := cmp.Diff(strings.Join(c.want, "\n"), strings.Join(got, "\n")); diff != "" {
				t.Errorf("timings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStage(t *testing.T) {
	if got, want := record("plan", false)[0], "0s-1s terraform coder coder_stage_plan plan COMPLETED"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := record("graph", true)[0], "0s-1s terraform coder coder_stage_graph graph FAILED"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
