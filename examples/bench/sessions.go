package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/examples/bench/internal/report"
	"github.com/provisor/provisor/host"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// sessionVariant is a way in which a whole session can be had.
type sessionVariant struct {
	name string
	// play plays a session up to its last answer; then it calls answered, and frees what it made.
	play    func(ctx context.Context, answered func()) error
	samples report.Samples
	// own and engine are the processor time of this process and of its children.
	own, engine time.Duration
}

// sessionKind is a kind of session, as requests and as the engine runs of a script.
type sessionKind struct {
	name     string
	requests []*pb.Request
	runs     [][]string
}

var (
	parseKind = sessionKind{"Init, Parse", []*pb.Request{parseRequest}, parseRuns}
	planKind  = sessionKind{"Init, Plan, Graph", []*pb.Request{planRequest, graphOfPlan}, planRuns}
	applyKind = sessionKind{"Init, Plan, Apply, Graph", []*pb.Request{planRequest, applyRequest, graphOfState}, applyRuns}
)

// runtimeVariants are the ways in which Provisor can run sessions.
var runtimeVariants = []struct {
	name    string
	options host.Options
}{
	{"Provisor", host.Options{}},
}

func sessions(ctx context.Context, b *bench) (_ report.Section, err error) {
	if err := b.writeCLIConfig(); err != nil {
		return report.Section{}, err
	}
	runtimes := make([]*host.Runtime, len(runtimeVariants))
	for i, v := range runtimeVariants {
		v.options.Plugin = b.terraformPlugin()
		if runtimes[i], err = b.newRuntime(ctx, v.options); err != nil {
			return report.Section{}, err
		}
		defer func() { err = errors.Join(err, runtimes[i].Close()) }()
	}
	section := report.Section{
		Text: "A session up to its last answer, with the real engine and the coder provider from a mirror on the disk. The script is the " +
			"plain sequence of engine runs that such a session takes where nothing is remembered (10 for a plan and its graph). " +
			"A later session has the version of a template that another session had before. " +
			"Own is the share of this process in the processor time: client, host and plugin.",
	}
	for _, templ := range []struct {
		name, main string
		kinds      []sessionKind
		rounds     int
	}{
		{"2 agents, 3 apps, 2 resources", smallTemplate, []sessionKind{parseKind, planKind, applyKind}, b.pick(30, 1)},
		{"200 resources", largeTemplate(200), []sessionKind{planKind}, b.pick(10, 1)},
	} {
		for _, kind := range templ.kinds {
			variants, err := b.sessionVariants(templ.main, kind, runtimes)
			if err != nil {
				return report.Section{}, err
			}
			b.say("    %s: %s", templ.name, kind.name)
			if err := measureSessions(ctx, variants, b.pick(2, 1), templ.rounds); err != nil {
				return report.Section{}, fmt.Errorf("%s: %s: %w", templ.name, kind.name, err)
			}
			section.Tables = append(section.Tables, sessionTable(templ.name+": "+kind.name, variants))
		}
	}
	return section, nil
}

func (b *bench) sessionVariants(template string, kind sessionKind, runtimes []*host.Runtime) ([]*sessionVariant, error) {
	archive, err := b.archiveOf(template)
	if err != nil {
		return nil, err
	}
	variants := []*sessionVariant{{name: fmt.Sprintf("script, %d engine runs", len(kind.runs)), play: b.playScript(template, kind.runs)}}
	if kind.name == planKind.name {
		variants = append(variants, &sessionVariant{
			name: fmt.Sprintf("script, the %d engine runs that Provisor makes", len(ownPlanRuns)), play: b.playScript(template, ownPlanRuns),
		})
	}
	requests := append([]*pb.Request{initRequest(archive)}, kind.requests...)
	for i, v := range runtimeVariants {
		version := &pb.Config{
			ExpReuseTerraformWorkspace: proto.Bool(true),
			TemplateId:                 proto.String(uuid.NewString()), TemplateVersionId: proto.String(uuid.NewString()),
		}
		variants = append(variants,
			&sessionVariant{name: v.name, play: playSession(runtimes[i], new(pb.Config), requests)},
			&sessionVariant{name: v.name + ", a later session", play: playSession(runtimes[i], version, requests)},
		)
	}
	return variants, nil
}

func (b *bench) playScript(template string, runs [][]string) func(context.Context, func()) error {
	return func(ctx context.Context, answered func()) error {
		s, err := b.newScript(template)
		if err == nil {
			_, err = s.play(ctx, runs)
			answered()
			err = errors.Join(err, s.close())
		}
		return err
	}
}

func playSession(r *host.Runtime, config *pb.Config, requests []*pb.Request) func(context.Context, func()) error {
	return func(ctx context.Context, answered func()) error {
		s := openLocal(ctx, r)
		_, err := play(ctx, s, config, requests...)
		answered()
		return errors.Join(err, s.Close())
	}
}

// measureSessions has the variants take turns.
func measureSessions(ctx context.Context, variants []*sessionVariant, warm, rounds int) error {
	for round := range warm + rounds {
		for _, v := range variants {
			own, engine := cpuTime(syscall.RUSAGE_SELF), cpuTime(syscall.RUSAGE_CHILDREN)
			var took time.Duration
			began := time.Now()
			if err := v.play(ctx, func() { took = time.Since(began) }); err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			if round < warm {
				continue
			}
			v.samples.Add(took)
			v.own += cpuTime(syscall.RUSAGE_SELF) - own
			v.engine += cpuTime(syscall.RUSAGE_CHILDREN) - engine
		}
	}
	return nil
}

func sessionTable(name string, variants []*sessionVariant) report.Table {
	t := report.Table{Header: append([]string{name}, append(report.SampleHeader, "as fast as the script", "CPU ms", "own")...)}
	for _, v := range variants {
		cpu := float64((v.own + v.engine).Milliseconds()) / float64(len(v.samples))
		t.Add(append([]string{v.name}, append(v.samples.Cells(),
			report.Ratio(variants[0].samples.Median(), v.samples.Median()),
			report.Number(cpu),
			fmt.Sprintf("%.1f %%", 100*float64(v.own)/float64(max(1, v.own+v.engine))),
		)...)...)
	}
	return t
}

// cpuTime is the processor time of this process or of its children that have ended.
func cpuTime(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
