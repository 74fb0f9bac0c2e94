package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/provisor/provisor/examples/bench/internal/report"
	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// replayEngine prints what the real engine has printed for the template, which brings that along.
const replayEngine = `#!/bin/sh
case "$1" in
version) echo 'Terraform v1.11.4' ;;
plan) echo plan >terraform.tfplan ;;
show) cat plan.json ;;
graph) cat graph.dot ;;
esac
`

func largePlans(ctx context.Context, b *bench) (_ report.Section, err error) {
	if err := b.writeCLIConfig(); err != nil {
		return report.Section{}, err
	}
	sizes := []int{10, 100, 1_000, 2_000}
	if b.quick {
		sizes = []int{10, 50}
	}
	t := report.Table{Header: append([]string{"graph from", "resources", "plan JSON KiB", "graph KiB"}, append(report.SampleHeader, "µs a resource", "guest's memory MiB", "daemon grew by MiB at most")...)}
	variants := []struct {
		name string
		args []string
	}{{"the engine", engineGraph}, {"the configuration", []string{"--plugin-setting", "terraform_graph=configuration"}}}
	engine := filepath.Join(b.dir, "replay-terraform")
	if err := os.WriteFile(engine, []byte(replayEngine), 0o700); err != nil {
		return report.Section{}, err
	}
	var runs []*planGraph // those of each size, in the order of the variants
	defer func() {
		for _, r := range runs {
			err = errors.Join(err, r.close())
		}
	}()
	for _, n := range sizes {
		b.say("    the plan of %d resources", n)
		p, err := b.recordPlan(ctx, n)
		if err != nil {
			return report.Section{}, err
		}
		for _, v := range variants {
			r, err := b.newPlanGraph(ctx, engine, p, v.args)
			if err != nil {
				return report.Section{}, err
			}
			runs = append(runs, r)
		}
	}
	b.say("    graphs")
	// They take turns, so that each has the machine's better and worse times; the first round is for warming up.
	for round := range b.samples(30, 1) + 1 {
		for i, r := range runs {
			if err := r.measure(ctx, round > 0); err != nil {
				return report.Section{}, fmt.Errorf("%d resources, graph from %s: %w", sizes[i/len(variants)], variants[i%len(variants)].name, err)
			}
		}
	}
	curves := make([]report.Series, len(variants))
	var memory float64
	for i, r := range runs {
		n, v, curve := sizes[i/len(variants)], variants[i%len(variants)], &curves[i%len(variants)]
		t.Add(append([]string{v.name, fmt.Sprint(n), report.Number(float64(len(r.plan.json)) / 1024), report.Number(float64(len(r.plan.dot)) / 1024)},
			append(r.samples.Cells(), report.Number(r.samples.Median()*1000/float64(n)), report.Number(float64(r.guest)/(1<<20)), report.Number(float64(r.grew)/(1<<20)))...)...)
		curve.Name = "from " + v.name
		curve.X, curve.Y = append(curve.X, float64(n)), append(curve.Y, r.samples.Median())
		memory = max(memory, float64(r.guest)/(1<<20))
	}
	last := len(sizes) - 1
	var goals []report.Goal
	for _, c := range curves {
		perResource := func(i int) float64 { return c.Y[i] / c.X[i] }
		goals = append(goals,
			report.AtMost(fmt.Sprintf("Graph of a plan of %d resources, %s, median", sizes[last], c.Name), c.Y[last], 1500, " ms"),
			report.AtMost(fmt.Sprintf("time of each of its resources, to those of a plan of %d (linear: 1×)", sizes[last-1]), perResource(last)/perResource(last-1), 1.25, "×"))
	}
	goals = append(goals, report.AtMost("memory in its guest", memory, 256, " MiB"))
	return report.Section{
		Text: "Graph of a plan, by the engine's graph or derived from the configuration, which is the default for up to 1 MiB of configuration. Without the time of the engine: its recorded output is played back. What the Plan before has read of the plan is in memory still. The memory is what the daemon grew by while it " +
			"made the graph, the host's memory and the guest's together; the guest's is all that it has touched since the session began.",
		Tables: []report.Table{t},
		Goals:  goals,
		Plots: []report.Plot{{
			File: "graph.svg", Title: "Graph of a plan", X: "resources", Y: "ms", Series: curves,
		}},
	}, nil
}

// recordedPlan is what the engine says of a template.
type recordedPlan struct {
	template  string
	json, dot []byte
}

func (b *bench) recordPlan(ctx context.Context, resources int) (*recordedPlan, error) {
	p := &recordedPlan{template: largeTemplate(resources)}
	s, err := b.newScript(p.template)
	if err != nil {
		return nil, err
	}
	if p.json, err = s.play(ctx, [][]string{initRun, planRun, showPlanRun}); err == nil {
		p.dot, err = s.run(ctx, graphRun...)
	}
	return p, errors.Join(err, s.close())
}

// planGraph asks for the graph of a plan, again and again, each time in a new session with the same daemon.
type planGraph struct {
	plan    *recordedPlan
	archive []byte
	daemon  *daemon
	client  *client.Client

	samples report.Samples
	// grew is by how much the daemon has grown at most, guest how much memory the guest has touched, in bytes.
	grew, guest int64
}

func (b *bench) newPlanGraph(ctx context.Context, engine string, p *recordedPlan, args []string) (*planGraph, error) {
	archive, err := b.archiveOf(p.template, "plan.json", string(p.json), "graph.dot", string(p.dot))
	if err != nil {
		return nil, err
	}
	d, err := b.startDaemon(ctx, b.terraformPlugin(), append([]string{"--engine", engine}, args...)...)
	if err != nil {
		return nil, err
	}
	c, err := d.dial()
	if err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return &planGraph{plan: p, archive: archive, daemon: d, client: c}, nil
}

func (r *planGraph) close() error { return errors.Join(r.client.Close(), r.daemon.stop()) }

func (r *planGraph) measure(ctx context.Context, counts bool) error {
	took, grew, guest, err := timeGraph(ctx, r.daemon, r.client, r.archive)
	if counts {
		r.samples.Add(took)
	}
	r.grew, r.guest = max(r.grew, grew), max(r.guest, guest)
	return err
}

func timeGraph(ctx context.Context, d *daemon, c *client.Client, archive []byte) (took time.Duration, grew, guest int64, err error) {
	s, err := c.Open(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, goodbye(s)) }()
	if _, err := play(ctx, s, new(pb.Config), initRequest(archive), planRequest); err != nil {
		return 0, 0, 0, err
	}
	if err := d.resetPeak(); err != nil {
		return 0, 0, 0, err
	}
	before, err := d.peak()
	if err != nil {
		return 0, 0, 0, err
	}
	began := time.Now()
	answer, err := s.Do(ctx, graphOfPlan, nil)
	took = time.Since(began)
	if err != nil {
		return 0, 0, 0, err
	}
	if c := answer.GetGraph(); c.GetError() != "" || len(c.GetResources()) == 0 {
		return 0, 0, 0, fmt.Errorf("the graph has %d resources, and the error %q", len(c.GetResources()), c.GetError())
	}
	after, err := d.peak()
	if err != nil {
		return 0, 0, 0, err
	}
	guest, err = d.guests()
	return took, after - before, guest, err
}
