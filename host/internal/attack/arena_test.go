package attack

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/server"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// arena is where attacks take place: a daemon with the echo plugin, and an honest session in it.
type arena struct {
	*daemon
	honest *honest
}

func newArena(t *testing.T) *arena {
	d := startDaemon(t, host.Options{}, server.Options{})
	return &arena{daemon: d, honest: newHonest(t, d.honestSession)}
}

// try has the attack run, and an honest session beside it from its beginning to its end. Afterwards nothing is left of either.
func (a *arena) try(t *testing.T, x attack) {
	a.honest.while(t, func() { x.run(t, a) })
	a.clean(t, a.daemon)
}

// clean checks that nothing is left of a daemon's sessions. A client that has hung up does not see the end of its session.
func (a *arena) clean(t *testing.T, d *daemon) {
	t.Helper()
	if !daemontest.Soon(func() bool { return len(daemontest.Left(d.data)) == 0 }) {
		t.Errorf("left behind: %q", daemontest.Left(d.data))
	}
}

// honest is a session that does what sessions do.
type honest struct {
	// session holds it once, and returns what it was answered.
	session func(context.Context) (string, error)
	// alone is what the session is answered when nothing else goes on.
	alone string
	// answered is how often it was answered the same beside an attack.
	answered int
}

// newHonest holds the session alone.
func newHonest(t testing.TB, session func(context.Context) (string, error)) *honest {
	t.Helper()
	h := &honest{session: session}
	var err error
	if h.alone, err = session(context.Background()); err != nil {
		t.Fatalf("the honest session, alone: %v", err)
	}
	return h
}

// while holds honest sessions while something is done.
func (h *honest) while(t *testing.T, do func()) {
	over := make(chan struct{})
	beside := make(chan error, 1)
	go func() { beside <- h.beside(over) }()
	func() {
		defer close(over)
		do()
	}()
	if err := <-beside; err != nil {
		t.Errorf("the honest session beside it: %v", err)
	}
}

// honestScript does what plugins do: files, a program, logs, the cache of memory between requests.
const honestScript = `
on init
write a/b.txt "some text"
on parse
read a/b.txt
on plan
log info "to work"
run terraform sh "cat a/b.txt; echo; echo more >c.txt"
read c.txt
memory 2MiB
complete {"dailyCost": 7, "plan": "cGxhbg=="}
on apply
remove c.txt
complete {"state": "c3RhdGU="}
on graph
request
complete {"resources": [{"name": "main", "type": "honest"}]}
`

// beside holds honest sessions until the attack is over, at least one.
func (h *honest) beside(over <-chan struct{}) error {
	for {
		got, err := h.session(context.Background())
		if err != nil {
			return err
		}
		if got != h.alone {
			return fmt.Errorf("got\n%s\nalone it was\n%s", got, h.alone)
		}
		h.answered++
		select {
		case <-over:
			return nil
		default:
		}
	}
}

// honestSession is one honest session. It returns all that came.
func (d *daemon) honestSession(ctx context.Context) (string, error) {
	s, err := d.open(ctx)
	if err != nil {
		return "", err
	}
	defer s.Close()
	var came strings.Builder
	for _, req := range []*pb.Request{initWith(honestScript), parse, plan, apply, graph} {
		resp, err := s.Do(ctx, req, func(l *pb.Log) { fmt.Fprintln(&came, l.Level, l.Output) })
		if err != nil {
			return "", err
		}
		if text := client.ErrorOf(resp); text != "" {
			return "", fmt.Errorf("%s", text)
		}
		fmt.Fprintln(&came, prototext.MarshalOptions{}.Format(resp))
	}
	if err := s.CloseSend(); err != nil {
		return "", err
	}
	if resp, err := s.Recv(); err != io.EOF {
		return "", fmt.Errorf("the session ended with %v, %w", resp, err)
	}
	return came.String(), nil
}

func initOf(archive []byte) *pb.Request {
	return &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: archive}}}
}

// initWith is an init with a script for the echo plugin.
func initWith(script string) *pb.Request {
	return initOf(daemontest.EchoTemplate(script))
}

// The requests, without content.
var (
	parse = &pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}}
	plan  = &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}}
	apply = &pb.Request{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{}}}
	graph = &pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{}}}
)

// inTime is a context that ends when something takes longer than it may on the busiest machine.
func inTime(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*daemontest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// misbehave has the echo plugin do the steps at a plan. It returns the error of the Complete, and the logs. The session goes on: the
// next plan is answered.
func (d *daemon) misbehave(t *testing.T, steps string) (text string, logs []string) {
	t.Helper()
	ctx := inTime(t)
	s, err := d.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	script := "on plan 1\n" + steps + "\non plan 2\ncomplete {\"dailyCost\": 3}\n"
	for i, req := range []*pb.Request{initWith(script), plan, plan} {
		resp, err := s.Do(ctx, req, func(l *pb.Log) {
			if i == 1 {
				logs = append(logs, l.Output)
			}
		})
		switch {
		case err != nil:
			t.Fatalf("request %d: %v", i, err)
		case i == 1:
			text = client.ErrorOf(resp)
		case client.ErrorOf(resp) != "":
			t.Errorf("request %d, beside the attack: %s", i, client.ErrorOf(resp))
		case i == 2 && resp.GetPlan().GetDailyCost() != 3:
			t.Errorf("after the attack the same session is answered %v", resp)
		}
	}
	return text, logs
}

// echoes is an attack by the echo plugin, in the honest session's own runtime: the Complete's error says want, or is none.
func echoes(steps, want string) func(*testing.T, *arena) {
	return func(t *testing.T, a *arena) { a.wantError(t, steps, want) }
}

// echoesIn is echoes in a runtime with other options.
func echoesIn(o host.Options, steps, want string) func(*testing.T, *arena) {
	return func(t *testing.T, a *arena) {
		d := startDaemon(t, o, server.Options{})
		d.wantError(t, steps, want)
		a.clean(t, d)
	}
}

func (d *daemon) wantError(t *testing.T, steps, want string) {
	t.Helper()
	text, _ := d.misbehave(t, steps)
	if (want == "") != (text == "") || !strings.Contains(text, want) {
		t.Errorf("the Complete says %q, want %q", text, want)
	}
}

// late is how long after its deadline a request may be answered.
const late = 20 * time.Second
