package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/provisor/provisor/examples/bench/internal/report"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// goalLevel is how many sessions at once have a goal.
const goalLevel = 8

func atOnce(ctx context.Context, b *bench) (_ report.Section, err error) {
	d, err := b.startDaemon(ctx, b.terraformPlugin(), "--engine", b.engine)
	if err != nil {
		return report.Section{}, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	c, err := d.dial()
	if err != nil {
		return report.Section{}, err
	}
	defer c.Close()
	archive, err := b.archiveOf(smallTemplate)
	if err != nil {
		return report.Section{}, err
	}
	one := playSession(c, func() *pb.Config { return new(pb.Config) }, append([]*pb.Request{initRequest(archive)}, planKind.requests...))
	t := report.Table{Header: append([]string{"at once"}, append(report.SampleHeader, "sessions a second", "to one at a time", "failed")...)}
	curve := report.Series{Name: "Provisor"}
	var single float64
	levels := []int{1, 2, 4, 8, 16}
	if b.quick {
		levels = []int{1, 2}
	}
	var goals []report.Goal
	for _, level := range levels {
		n := b.samples(80, 2)
		if level == goalLevel {
			n = b.samples(200, 2)
		}
		b.say("    %d at once", level)
		samples, failed, took := crowd(ctx, one, level, n)
		if err := ctx.Err(); err != nil {
			return report.Section{}, err
		}
		if len(samples) == 0 {
			return report.Section{}, fmt.Errorf("%d at once: %w", level, failed[0])
		}
		for _, err := range failed {
			b.say("    a session failed: %v", err)
		}
		rate := float64(len(samples)) / took.Seconds()
		if single == 0 {
			single = rate
		}
		t.Add(append([]string{fmt.Sprint(level)}, append(samples.Cells(),
			report.Number(rate), report.Ratio(rate, single), fmt.Sprint(len(failed)))...)...)
		if level == goalLevel || b.quick && level == levels[len(levels)-1] {
			goals = append(goals,
				report.AtLeast(fmt.Sprintf("%d sessions at once, throughput to one at a time", level), rate/single, 1.7, "×"),
				report.AtMost(fmt.Sprintf("failures in %d of those", n), float64(len(failed)), 0, ""))
		}
		curve.X, curve.Y = append(curve.X, float64(level)), append(curve.Y, rate)
	}
	return report.Section{
		Text:   "Sessions of Init, Plan and Graph of the small template, with the real engine. Each time includes the wait for a turn.",
		Tables: []report.Table{t},
		Goals:  goals,
		Plots: []report.Plot{{
			File: "at-once.svg", Title: "Throughput", X: "sessions at once", Y: "sessions a second", Series: []report.Series{curve},
		}},
	}, nil
}

// crowd plays n sessions, that many at once.
func crowd(ctx context.Context, play player, atOnce, n int) (samples report.Samples, failed []error, took time.Duration) {
	var mu sync.Mutex
	var next atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range atOnce {
		all.Go(func() {
			for next.Add(1) <= int64(n) && ctx.Err() == nil {
				began := time.Now()
				var took time.Duration
				err := play(ctx, func() { took = time.Since(began) })
				mu.Lock()
				if err != nil {
					failed = append(failed, err)
				} else {
					samples.Add(took)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return samples, failed, time.Since(began)
}
