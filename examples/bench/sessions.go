package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/examples/bench/internal/report"
	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// sessionVariant is a way in which a whole session can be had.
type sessionVariant struct {
	name    string
	play    player
	samples report.Samples
	// daemon serves the sessions, if one does; own and engine are the processor time of it and of its children.
	daemon      *daemon
	own, engine time.Duration
}

// player plays a session up to its last answer; then it calls answered, and frees what it made.
type player func(ctx context.Context, answered func()) error

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

func sessions(ctx context.Context, b *bench) (_ report.Section, err error) {
	if err := b.writeCLIConfig(); err != nil {
		return report.Section{}, err
	}
	section := report.Section{
		Text: "A session with a daemon over gRPC up to its last answer, with the real engine and the coder provider from a mirror on the disk. The " +
			"script is the plain sequence of engine runs that such a session takes where nothing is remembered (10 for a plan and its graph). " +
			"A later session has the version of a template that another session had before. " +
			"Own is the daemon's share in the processor time of itself and its engines, CPU is all of that.",
	}
	for _, templ := range []struct {
		name, main string
		kinds      []sessionKind
		rounds     int
	}{
		{"2 agents, 3 apps, 2 resources", smallTemplate, []sessionKind{parseKind, planKind, applyKind}, b.pick(30, 1)},
		{"200 resources", largeTemplate(200), []sessionKind{planKind}, b.pick(15, 1)},
	} {
		for _, kind := range templ.kinds {
			b.say("    %s: %s", templ.name, kind.name)
			table, err := b.measureKind(ctx, templ.name, templ.main, kind, templ.rounds)
			if err != nil {
				return report.Section{}, fmt.Errorf("%s: %s: %w", templ.name, kind.name, err)
			}
			section.Tables = append(section.Tables, table)
		}
	}
	return section, nil
}

func (b *bench) measureKind(ctx context.Context, name, template string, kind sessionKind, rounds int) (_ report.Table, err error) {
	variants := []*sessionVariant{{name: fmt.Sprintf("script, %d engine runs", len(kind.runs)), play: b.playScript(template, kind.runs)}}
	if kind.name == planKind.name {
		variants = append(variants, &sessionVariant{
			name: fmt.Sprintf("script, the %d engine runs that Provisor makes", len(ownPlanRuns)), play: b.playScript(template, ownPlanRuns),
		})
	}
	archive, err := b.archiveOf(template)
	if err != nil {
		return report.Table{}, err
	}
	requests := append([]*pb.Request{initRequest(archive)}, kind.requests...)
	for _, v := range daemonVariants() {
		d, err := b.startDaemon(ctx, b.terraformPlugin(), append(v.args, "--engine", b.engine)...)
		if err != nil {
			return report.Table{}, err
		}
		defer func() { err = errors.Join(err, d.stop()) }()
		c, err := d.dial()
		if err != nil {
			return report.Table{}, err
		}
		defer c.Close()
		variants = append(variants,
			&sessionVariant{name: v.name, daemon: d, play: playSession(c, func() *pb.Config { return new(pb.Config) }, requests)},
			&sessionVariant{name: v.name + ", a later session", daemon: d, play: playSession(c, sameVersion(), requests)},
		)
	}
	if err := measureSessions(ctx, variants, b.pick(2, 1), rounds); err != nil {
		return report.Table{}, err
	}
	return sessionTable(name+": "+kind.name, variants), nil
}

// sameVersion has all sessions be of one version of a template.
func sameVersion() func() *pb.Config {
	version := &pb.Config{
		ExpReuseTerraformWorkspace: proto.Bool(true),
		TemplateId:                 proto.String(uuid.NewString()), TemplateVersionId: proto.String(uuid.NewString()),
	}
	return func() *pb.Config { return version }
}

func (b *bench) playScript(template string, runs [][]string) player {
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

func playSession(c *client.Client, config func() *pb.Config, requests []*pb.Request) player {
	return func(ctx context.Context, answered func()) error {
		s, err := c.Open(ctx)
		if err != nil {
			return err
		}
		_, err = play(ctx, s, config(), requests...)
		answered()
		return errors.Join(err, goodbye(s))
	}
}

// measureSessions has the variants take turns.
func measureSessions(ctx context.Context, variants []*sessionVariant, warm, rounds int) error {
	for round := range warm + rounds {
		for _, v := range variants {
			if err := v.measure(ctx, round >= warm); err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
		}
	}
	return nil
}

func (v *sessionVariant) measure(ctx context.Context, counts bool) error {
	var own, engine time.Duration
	var err error
	if v.daemon != nil {
		if own, engine, err = v.daemon.cpu(); err != nil {
			return err
		}
	}
	var took time.Duration
	began := time.Now()
	if err := v.play(ctx, func() { took = time.Since(began) }); err != nil || !counts {
		return err
	}
	v.samples.Add(took)
	if v.daemon != nil {
		ownNow, engineNow, err := v.daemon.cpu()
		if err != nil {
			return err
		}
		v.own, v.engine = v.own+ownNow-own, v.engine+engineNow-engine
	}
	return nil
}

func sessionTable(name string, variants []*sessionVariant) report.Table {
	t := report.Table{Header: append([]string{name}, append(report.SampleHeader, "as fast as the script", "CPU ms", "own CPU ms", "own")...)}
	for _, v := range variants {
		row := append([]string{v.name}, append(v.samples.Cells(), report.Ratio(variants[0].samples.Median(), v.samples.Median()))...)
		if v.daemon != nil {
			n, own, all := float64(len(v.samples)), float64(v.own.Milliseconds()), float64((v.own + v.engine).Milliseconds())
			row = append(row, report.Number(all/n), report.Number(own/n), fmt.Sprintf("%.1f %%", 100*own/max(1, all)))
		} else {
			row = append(row, "", "", "")
		}
		t.Add(row...)
	}
	return t
}
