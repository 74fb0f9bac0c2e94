package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/provisor/provisor/examples/bench/internal/parse"
	"github.com/provisor/provisor/examples/bench/internal/report"
	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func openSessions(ctx context.Context, b *bench) (report.Section, error) {
	archive, err := b.archiveOf(parse.Template)
	if err != nil {
		return report.Section{}, err
	}
	t := report.Table{Header: []string{"state of the sessions", "sessions", "connections", "resident MiB", "KiB each"}}
	var goals []report.Goal
	for _, s := range []struct {
		name     string
		requests []*pb.Request
		counts   []int
		// most is the goal in KiB for each of as many as there are last; 0 = there is none.
		most float64
	}{
		{"open", nil, []int{1, 100, 1_000, 10_000}, 64},
		{"after an Init that only extracts", []*pb.Request{initRequest(archive)}, []int{1, 100, 1_000}, 0},
		{"after that and a small Parse", []*pb.Request{initRequest(archive), parseRequest}, []int{1, 100, 1_000}, 3 << 10},
	} {
		if b.quick {
			s.counts = []int{1, 20}
		}
		b.say("    %s", s.name)
		last, err := b.measureOpen(ctx, &t, s.name, s.requests, s.counts)
		if err != nil {
			return report.Section{}, fmt.Errorf("%s: %w", s.name, err)
		}
		if s.most > 0 {
			n := s.counts[len(s.counts)-1]
			goals = append(goals, report.AtMost(fmt.Sprintf("memory of each of %d sessions on %d connections, %s", n, connections(n), s.name), last, s.most, " KiB"))
		}
	}
	b.say("    instances that have not run")
	idle, err := b.idleInstances(ctx)
	if err != nil {
		return report.Section{}, err
	}
	t.Add("instances that have not run, without sessions", "1000", "", report.Number(idle*1000/1024), report.Number(idle))
	goals = append(goals, report.AtMost("memory of each of 1000 instances that have not run", idle, 512, " KiB"))
	return report.Section{
		Text: "What a daemon has resident beyond what it has without sessions. The plugin is the one of (a). " +
			"Pages that are mapped several times count once. A session has no instance before its first request; instances alone are those of " +
			"`go test -run ^$ -bench IdleInstances/Copied ./host/internal/sandbox`.",
		Tables: []report.Table{t},
		Goals:  goals,
	}, nil
}

// sessionsPerConnection keeps 10,000 sessions on 100 connections.
const sessionsPerConnection = 100

func connections(sessions int) int {
	return (sessions + sessionsPerConnection - 1) / sessionsPerConnection
}

// idleInstances has the repository's own benchmark run, since sessions have no instance that has not run: KiB of each of 1,000.
func (b *bench) idleInstances(ctx context.Context) (float64, error) {
	out, err := b.command(ctx, b.repo, "go", "test", "-run", "^$", "-bench", "^BenchmarkIdleInstances$/^Copied$", "-benchtime", "1x", "./host/internal/sandbox")
	if err != nil {
		return 0, err
	}
	units, err := benchmarkUnits(out)
	if err == nil && len(units["KiB/idle"]) == 0 {
		err = fmt.Errorf("the benchmark did not tell KiB/idle:\n%s", out)
	}
	return units["KiB/idle"].Median(), err
}

// measureOpen opens more and more sessions of one daemon, and returns the KiB of each of the last count.
func (b *bench) measureOpen(ctx context.Context, t *report.Table, name string, requests []*pb.Request, counts []int) (each float64, err error) {
	daemon, err := b.startDaemon(ctx, b.comparedPlugin(), "--max-streams", "20000")
	if err != nil {
		return 0, err
	}
	d := &crowdOfSessions{daemon: daemon}
	defer func() { err = errors.Join(err, d.close()) }()
	// The first session of a daemon makes what all others share.
	if err := d.once(ctx, requests); err != nil {
		return 0, err
	}
	empty, err := d.settled()
	if err != nil {
		return 0, err
	}
	for _, n := range counts {
		if err := d.openUpTo(ctx, n, requests); err != nil {
			return 0, err
		}
		now, err := d.settled()
		if err != nil {
			return 0, err
		}
		each = float64(now-empty) / 1024 / float64(n)
		t.Add(name, fmt.Sprint(n), fmt.Sprint(len(d.clients)), report.Number(float64(now-empty)/(1<<20)), report.Number(each))
	}
	return each, nil
}

// crowdOfSessions are the open sessions of a daemon.
type crowdOfSessions struct {
	*daemon
	clients  []*client.Client
	sessions []*client.Session
}

func (d *crowdOfSessions) close() error {
	var errs []error
	for _, c := range d.clients {
		errs = append(errs, c.Close())
	}
	return errors.Join(append(errs, d.stop())...)
}

// once plays a session from its beginning to its end.
func (d *crowdOfSessions) once(ctx context.Context, requests []*pb.Request) error {
	c, err := d.dial()
	if err != nil {
		return err
	}
	s, err := openRemote(ctx, c, requests)
	if err == nil {
		err = goodbye(s)
	}
	return errors.Join(err, c.Close())
}

func openRemote(ctx context.Context, c *client.Client, requests []*pb.Request) (*client.Session, error) {
	s, err := c.Open(ctx)
	if err != nil {
		return nil, err
	}
	if len(requests) == 0 {
		return s, s.Configure(new(pb.Config))
	}
	_, err = play(ctx, s, new(pb.Config), requests...)
	return s, err
}

// openUpTo opens sessions until there are n.
func (d *crowdOfSessions) openUpTo(ctx context.Context, n int, requests []*pb.Request) error {
	for len(d.clients) < connections(n) {
		c, err := d.dial()
		if err != nil {
			return err
		}
		d.clients = append(d.clients, c)
	}
	from := len(d.sessions)
	d.sessions = append(d.sessions, make([]*client.Session, n-from)...)
	errs := make([]error, n)
	var opening sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := from; i < n; i++ {
		slots <- struct{}{}
		opening.Go(func() {
			d.sessions[i], errs[i] = openRemote(ctx, d.clients[i/sessionsPerConnection], requests)
			<-slots
		})
	}
	opening.Wait()
	return errors.Join(errs...)
}

// settled is the daemon's resident memory once that changes no more by itself.
func (d *crowdOfSessions) settled() (int64, error) {
	const looks, apart, little = 40, 250 * time.Millisecond, 256 << 10
	last, err := d.resident()
	for range looks {
		if err != nil {
			return 0, err
		}
		time.Sleep(apart)
		now, err := d.resident()
		if err != nil {
			return 0, err
		}
		if now-last < little && last-now < little {
			return now, nil
		}
		last = now
	}
	return last, nil
}
