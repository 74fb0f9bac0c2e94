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
	for _, s := range []struct {
		name     string
		requests []*pb.Request
		counts   []int
	}{
		{"open", nil, []int{1, 100, 1_000, 10_000}},
		{"after an Init that only extracts", []*pb.Request{initRequest(archive)}, []int{1, 100, 1_000}},
		{"after that and a small Parse", []*pb.Request{initRequest(archive), parseRequest}, []int{1, 100, 1_000}},
	} {
		if b.quick {
			s.counts = []int{1, 20}
		}
		if err := b.measureOpen(ctx, &t, s.name, s.requests, s.counts); err != nil {
			return report.Section{}, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return report.Section{
		Text: "What a daemon has resident beyond what it has without sessions. The plugin is the one of (a). " +
			"Pages that are mapped several times count once.",
		Tables: []report.Table{t},
	}, nil
}

// sessionsPerConnection keeps 10,000 sessions on 100 connections.
const sessionsPerConnection = 100

// measureOpen opens more and more sessions of one daemon.
func (b *bench) measureOpen(ctx context.Context, t *report.Table, name string, requests []*pb.Request, counts []int) (err error) {
	daemon, err := b.startDaemon(ctx, b.comparedPlugin(), "--max-streams", "20000")
	if err != nil {
		return err
	}
	d := &crowdOfSessions{daemon: daemon}
	defer func() { err = errors.Join(err, d.close()) }()
	// The first session of a daemon makes what all others share.
	if err := d.once(ctx, requests); err != nil {
		return err
	}
	empty, err := d.settled()
	if err != nil {
		return err
	}
	for _, n := range counts {
		if err := d.openUpTo(ctx, n, requests); err != nil {
			return err
		}
		now, err := d.settled()
		if err != nil {
			return err
		}
		t.Add(name, fmt.Sprint(n), fmt.Sprint(len(d.clients)), report.Number(float64(now-empty)/(1<<20)), report.Number(float64(now-empty)/1024/float64(n)))
	}
	return nil
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
	for len(d.clients) < (n+sessionsPerConnection-1)/sessionsPerConnection {
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
