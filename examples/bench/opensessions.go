package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
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
	d, err := b.startDaemon(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
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

// daemon is a daemon in a process of its own, and the sessions that are open.
type daemon struct {
	address  string
	command  *exec.Cmd
	ended    chan error
	log      *strings.Builder
	clients  []*client.Client
	sessions []*client.Session
}

func (b *bench) startDaemon(ctx context.Context) (*daemon, error) {
	socket := filepath.Join(b.dir, "socket")
	d := &daemon{address: "unix:" + socket, ended: make(chan error, 1), log: new(strings.Builder)}
	d.command = exec.Command(b.provisor, "serve", "--listen", d.address, "--log-level", "warn", "--data-dir", filepath.Join(b.dir, "daemon"),
		"--plugin", filepath.Join(b.repo, "examples", "bench", "guests", "provisor"), "--max-streams", "20000")
	d.command.Stdout, d.command.Stderr = d.log, d.log
	if err := d.command.Start(); err != nil {
		return nil, err
	}
	go func() { d.ended <- d.command.Wait() }()
	for {
		if conn, err := net.Dial("unix", socket); err == nil {
			return d, conn.Close()
		}
		select {
		case err := <-d.ended:
			return nil, fmt.Errorf("the daemon has ended: %v\n%s", err, d.log)
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), d.stop())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (d *daemon) stop() error {
	var errs []error
	for _, c := range d.clients {
		errs = append(errs, c.Close())
	}
	errs = append(errs, d.command.Process.Signal(syscall.SIGTERM))
	if err := <-d.ended; err != nil {
		errs = append(errs, fmt.Errorf("the daemon ended with %w\n%s", err, d.log))
	}
	return errors.Join(errs...)
}

// once plays a session from its beginning to its end.
func (d *daemon) once(ctx context.Context, requests []*pb.Request) error {
	c, err := client.Dial(d.address, client.Options{})
	if err != nil {
		return err
	}
	s, err := openRemote(ctx, c, requests)
	if err == nil {
		err = s.CloseSend()
		for err == nil {
			if _, err := s.Recv(); err != nil {
				break
			}
		}
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
func (d *daemon) openUpTo(ctx context.Context, n int, requests []*pb.Request) error {
	for len(d.clients) < (n+sessionsPerConnection-1)/sessionsPerConnection {
		c, err := client.Dial(d.address, client.Options{})
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
func (d *daemon) settled() (int64, error) {
	const looks, apart, little = 40, 250 * time.Millisecond, 256 << 10
	last, err := resident(d.command.Process.Pid)
	for range looks {
		if err != nil {
			return 0, err
		}
		time.Sleep(apart)
		now, err := resident(d.command.Process.Pid)
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
