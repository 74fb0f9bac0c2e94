package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
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
	// daemon serves the sessions, if one does; own is its processor time, jail that of the supervisors of its engines, engine that of all else
	// that it or this process has started.
	daemon            *daemon
	own, jail, engine time.Duration
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
			"Graphs are derived from the configuration, unless they are said to be the engine's. " +
			"CPU is all processor time: of the daemon with its plugins, of the jail, that is the supervisors of engines, and of the engines with their providers; own is the first two." +
			" Provisor's engines collect garbage less often (GOGC=400) than the script's, which have their defaults.",
	}
	for _, templ := range []struct {
		name, main string
		kinds      []sessionKind
		rounds     int
	}{
		{"2 agents, 3 apps, 2 resources", smallTemplate, []sessionKind{parseKind, planKind, applyKind}, b.samples(20, 1)},
		{"200 resources", largeTemplate(200), []sessionKind{planKind}, b.samples(20, 1)},
	} {
		for _, kind := range templ.kinds {
			b.say("    %s: %s", templ.name, kind.name)
			variants, err := b.measureKind(ctx, templ.main, kind, templ.rounds)
			if err != nil {
				return report.Section{}, fmt.Errorf("%s: %s: %w", templ.name, kind.name, err)
			}
			name := templ.name + ": " + kind.name
			section.Tables = append(section.Tables, sessionTable(name, variants))
			section.Goals = append(section.Goals, sessionGoals(name, templ.main == smallTemplate, kind, variants)...)
		}
	}
	return section, nil
}

func (b *bench) measureKind(ctx context.Context, template string, kind sessionKind, rounds int) (_ []*sessionVariant, err error) {
	variants := []*sessionVariant{{name: fmt.Sprintf("script, %d engine runs", len(kind.runs)), play: b.playScript(template, kind.runs)}}
	if kind.name == planKind.name {
		variants = append(variants, &sessionVariant{
			name: sameRuns, play: b.playScript(template, ownPlanRuns),
		})
	}
	archive, err := b.archiveOf(template)
	if err != nil {
		return nil, err
	}
	requests := append([]*pb.Request{initRequest(archive)}, kind.requests...)
	var stops []func() error
	defer func() {
		for _, stop := range slices.Backward(stops) {
			err = errors.Join(err, stop())
		}
	}()
	// Each has a daemon of its own, whose processor time is its alone.
	add := func(name string, args []string, config func() *pb.Config) error {
		d, err := b.startDaemon(ctx, b.terraformPlugin(), append(args, "--engine", b.engine)...)
		if err != nil {
			return err
		}
		stops = append(stops, d.stop)
		c, err := d.dial()
		if err != nil {
			return err
		}
		stops = append(stops, c.Close)
		variants = append(variants, &sessionVariant{name: name, daemon: d, play: playSession(c, config, requests)})
		return nil
	}
	for _, v := range daemonVariants() {
		if v.name == ours+withEngineGraph && kind.name != planKind.name {
			continue
		}
		if err := add(v.name, v.args, func() *pb.Config { return new(pb.Config) }); err != nil {
			return nil, err
		}
		if v.name != ours+withEngineGraph {
			if err := add(v.name+laterSession, v.args, sameVersion()); err != nil {
				return nil, err
			}
		}
	}
	return variants, measureSessions(ctx, variants, b.samples(2, 1), rounds)
}

// find is the variant of that name.
func find(variants []*sessionVariant, name string) *sessionVariant {
	return variants[slices.IndexFunc(variants, func(v *sessionVariant) bool { return v.name == name })]
}

// sessionGoals are the goals for sessions of a kind.
func sessionGoals(name string, small bool, kind sessionKind, variants []*sessionVariant) []report.Goal {
	script := variants[0].samples.Median()
	first, later := find(variants, ours), find(variants, ours+laterSession)
	switch {
	case small && kind.name == parseKind.name:
		return []report.Goal{report.AtMost(name+", a later session, median", later.samples.Median(), 15, " ms")}
	case small && kind.name == planKind.name:
		return []report.Goal{
			report.AtLeast(name+", with the engine's graph, as fast as the script", script/find(variants, ours+withEngineGraph).samples.Median(), 1.5, "×"),
			report.AtLeast(name+", as fast as the script", script/first.samples.Median(), 1.6, "×"),
			report.AtLeast(name+", a later session, as fast as the script", script/later.samples.Median(), 2, "×"),
		}
	case kind.name == planKind.name:
		withEngine := find(variants, ours+withEngineGraph)
		same, took := find(variants, sameRuns).samples.Median(), withEngine.samples.Median()
		return []report.Goal{
			report.AtMost(name+", the daemon's share in the processor time", first.share(first.own), 5, " %"),
			report.AtMost(name+", own share in the processor time, the jail included", first.share(first.own+first.jail), 5, " %"),
			report.AtMost(name+", with the engine's graph, the daemon's share in the processor time", withEngine.share(withEngine.own), 5, " %"),
			report.AtMost(name+", with the engine's graph, own share in the processor time, the jail included", withEngine.share(withEngine.own+withEngine.jail), 5, " %"),
			report.AtMost(name+", processor time of all, to that with the engine's graph", float64(first.cpuTime())/float64(withEngine.cpuTime()), 1, "×"),
			report.AtMost(name+", with the engine's graph, processor time of all, to that of the same engine runs in a script", float64(withEngine.cpuTime())/float64(find(variants, sameRuns).cpuTime()), 1, "×"),
			report.AtMost(name+", with the engine's graph, what is beyond the time of the same engine runs in a script", 100*(took-same)/took, 5, " %"),
		}
	}
	return nil
}

const (
	laterSession    = ", a later session"
	withEngineGraph = " with the engine's graph"
	sameRuns        = "script, the engine runs that Provisor makes with the engine's graph"
)

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
			var err error
			if round == warm {
				v.jail, err = v.supervisors(ctx)
			}
			if err := errors.Join(err, v.measure(ctx, round >= warm)); err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
		}
	}
	for _, v := range variants {
		supervisors, err := v.supervisors(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		v.jail = supervisors - v.jail
		v.engine -= v.jail
	}
	return nil
}

func (v *sessionVariant) measure(ctx context.Context, counts bool) error {
	own, engine, err := v.cpu()
	if err != nil {
		return err
	}
	var took time.Duration
	began := time.Now()
	if err := v.play(ctx, func() { took = time.Since(began) }); err != nil || !counts {
		return err
	}
	v.samples.Add(took)
	ownNow, engineNow, err := v.cpu()
	if err != nil {
		return err
	}
	v.own, v.engine = v.own+ownNow-own, v.engine+engineNow-engine
	return nil
}

// supervisors is the processor time of the daemon's supervisors, if there is a daemon.
func (v *sessionVariant) supervisors(ctx context.Context) (time.Duration, error) {
	if v.daemon == nil {
		return 0, nil
	}
	return v.daemon.supervisors(ctx)
}

// cpu is the processor time that the daemon has used, if there is one, and that of what was started and has ended.
func (v *sessionVariant) cpu() (own, engine time.Duration, err error) {
	if v.daemon != nil {
		return v.daemon.cpu()
	}
	var used unix.Rusage
	err = unix.Getrusage(unix.RUSAGE_CHILDREN, &used)
	return 0, time.Duration(used.Utime.Nano() + used.Stime.Nano()), err
}

// cpuTime is all processor time.
func (v *sessionVariant) cpuTime() time.Duration { return v.own + v.jail + v.engine }

// share is a part's share in the processor time, in percent.
func (v *sessionVariant) share(part time.Duration) float64 {
	return 100 * float64(part) / float64(max(1, v.cpuTime()))
}

func sessionTable(name string, variants []*sessionVariant) report.Table {
	t := report.Table{Header: append([]string{name}, append(report.SampleHeader, "as fast as the script", "CPU ms", "daemon ms", "jail ms", "own")...)}
	for _, v := range variants {
		mean := func(d time.Duration) string {
			return report.Number(float64(d.Microseconds()) / 1000 / float64(max(1, len(v.samples))))
		}
		row := append([]string{v.name}, append(v.samples.Cells(), report.Ratio(variants[0].samples.Median(), v.samples.Median()), mean(v.cpuTime()))...)
		if v.daemon != nil {
			row = append(row, mean(v.own), mean(v.jail), fmt.Sprintf("%.1f %%", v.share(v.own+v.jail)))
		} else {
			row = append(row, "", "", "")
		}
		t.Add(row...)
	}
	return t
}
