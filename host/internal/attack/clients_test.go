package attack

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/server"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

var full = flag.Bool("full", false, "try attacks in full that are scaled down otherwise: a million messages, a minute of not reading")

// scaled is how much of something is tried.
func scaled(normally, inFull int) int {
	if *full {
		return inFull
	}
	return normally
}

const byOrder = "The order of requests is checked: the stream ends with a status that names the rule"

func clients() []attack {
	violates := func(name, tries string, code codes.Code, want string, requests ...*pb.Request) attack {
		return attack{name, tries, byOrder, func(t *testing.T, a *arena) { a.violate(t, code, want, requests...) }}
	}
	config := &pb.Request{Type: &pb.Request_Config{Config: &pb.Config{}}}
	good := initWith("on plan\nsleep 1h\n")
	return []attack{
		{"a slow reader", "Reads a message each 50 ms of a plugin that logs as fast as it can, and then hangs up; with `-full`, stops to read and stays",
			"Each session has a bounded queue of its own: its plugin waits, nobody else. `send_timeout` ends the stream", slowReader},
		{"a half-open stream", "The client's machine vanishes in a plan: no packet comes any more, not even a reset", "`keepalive`: the session is canceled, its programs and directories go", halfOpen},
		{"half-closes", "Half-closes before the Config, after it, and in a plan", "An idle session ends; work is canceled and its Complete still sent", halfCloses},
		{"tiny messages", "Sends 20,000 Cancels, idle and in a plan; a million with `-full`", "A message that asks for nothing costs next to nothing, and is not kept", tinyMessages},
		{"huge messages", "Sends messages of 64 MiB and a byte, and of 130 MiB", "`max_message`, which the status names", hugeMessages},
		{"nested messages", "Sends a million groups, each in the one before", "Depth is bounded when a message is looked into: INVALID_ARGUMENT", func(t *testing.T, a *arena) {
			a.violateRaw(t, codes.InvalidArgument, "does not decode", marshal(config), bytes.Repeat([]byte("\x5b"), 1<<20))
		}},
		{"bytes that are no request", "Sends bytes that are no message, first and after the Config", "Messages are decoded as far as needed: INVALID_ARGUMENT", func(t *testing.T, a *arena) {
			a.violateRaw(t, codes.InvalidArgument, "does not decode", []byte("\xff\xff\xff\xff"))
			a.violateRaw(t, codes.InvalidArgument, "does not decode", marshal(config), []byte("\x1a\x05abc"))
		}},
		violates("no Config", "Begins with an init", codes.FailedPrecondition, "config-first", good),
		violates("two Configs", "Sends a second Config, to change the first", codes.FailedPrecondition, "config-once", config, config),
		violates("an empty request", "Sends a request of no kind", codes.FailedPrecondition, "request-not-empty", config, &pb.Request{}),
		violates("a plan before its init", "Plans at once", codes.FailedPrecondition, "plan-after-init", config, plan),
		violates("an apply without a plan", "Applies after an init", codes.FailedPrecondition, "apply-after-plan", config, good, apply),
		violates("two requests at once", "Sends a second plan while the first runs", codes.FailedPrecondition, "one-at-a-time", config, good, plan, plan),
		violates("a log level that is none", "Asks for a level with escape sequences in its name", codes.InvalidArgument, "log-level",
			&pb.Request{Type: &pb.Request_Config{Config: &pb.Config{ProvisionerLogLevel: "\x1b[2J"}}}),
		{"cancels at every moment", "40 sessions, each canceled at another moment of its life", "Exactly one Complete for each request, whoever is faster", atEveryMoment(false)},
		{"hang-ups at every moment", "40 sessions, each hung up at another moment of its life", "The end of a stream cancels what runs; programs and directories go", atEveryMoment(true)},
		{"1,000 silent streams", "Opens 1,000 streams on ten connections and sends nothing", "A stream has no instance, no directory and no program before its first request", silentStreams},
		{"more streams than there may be", "Opens streams beyond the server's limit", "`max_streams`: RESOURCE_EXHAUSTED", tooManyStreams},
		{"streams that are reset at once", "Opens a stream and resets it, 2,000 times", "Each stream's end is waited for before its connection may open more", rapidReset},
		{"connections that say nothing", "200 connections that send no byte, or no HTTP/2", "Each has its own handshake and timeout", silentConnections},
		{"tokens that nobody has", "Opens sessions with no token, an empty one, wrong ones, two, one of 50 kB and one of a megabyte", "UNAUTHENTICATED before anything is read; metadata beyond 64 KiB is not taken at all", wrongTokens},
		{"compressed messages", "Sends 256 kB that inflate to 256 MiB, says that it is compressed by what there is not, and does not say by what", "Nothing is inflated: messages are taken as they are, and others refused", compressedMessages},
		{"methods that there are not", "Calls other methods and services", "UNIMPLEMENTED", otherMethods},
	}
}

// raw opens a session without a Config.
func (d *daemon) raw(t *testing.T) *client.Session {
	t.Helper()
	s, err := d.client.Open(inTime(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// violate sends requests. Those before the last two are waited for; the stream ends with the code and a text.
func (a *arena) violate(t *testing.T, code codes.Code, want string, requests ...*pb.Request) {
	t.Helper()
	s := a.raw(t)
	for _, req := range requests {
		if err := s.Send(req); err != nil {
			t.Fatal(err)
		}
		if req.GetInit() != nil && len(requests) > 1 {
			if resp, err := s.Recv(); err != nil || client.ErrorOf(resp) != "" {
				t.Fatalf("init: %v, %v", resp, err)
			}
		}
	}
	wantStatus(t, s, code, want)
}

func (a *arena) violateRaw(t *testing.T, code codes.Code, want string, messages ...[]byte) {
	t.Helper()
	conn := dialRaw(t, a.daemon)
	for _, m := range messages {
		if err := conn.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	wantStatus(t, client.NewSession(conn), code, want)
}

// wantStatus reads up to the end of the stream.
func wantStatus(t *testing.T, s *client.Session, code codes.Code, want string) {
	t.Helper()
	for {
		_, err := s.Recv()
		if err == nil {
			continue
		}
		if status.Code(err) != code || !strings.Contains(err.Error(), want) {
			t.Errorf("the stream ended with %v, want %v and %q", err, code, want)
		}
		return
	}
}

func slowReader(t *testing.T, a *arena) {
	s := a.raw(t)
	if err := s.Configure(&pb.Config{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(inTime(t), initWith("on plan\nflood info 1000000 "+strings.Repeat("x", 1000)), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(plan); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if *full {
		time.Sleep(70 * time.Second)
		wantStatus(t, s, codes.ResourceExhausted, "keep-reading")
	}
	s.Close()
}

// halfOpen holds a session through a relay, which stops to relay.
func halfOpen(t *testing.T, a *arena) {
	d := startDaemon(t, host.Options{ExitTimeout: briefly}, server.Options{Keepalive: 2 * time.Second})
	r := daemontest.NewLine(t, "unix", strings.TrimPrefix(d.address, "unix:"))
	c, err := client.Dial("unix:"+r.Address, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.Open(inTime(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Configure(&pb.Config{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(inTime(t), initWith("on plan\nrun terraform sh \"echo begun; sleep 300 & wait\"\n"), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(plan); err != nil {
		t.Fatal(err)
	}
	if resp, err := s.Recv(); err != nil || resp.GetLog().GetOutput() != "begun" {
		t.Fatalf("%v, %v", resp, err)
	}
	if len(daemontest.Left(d.data)) == 0 {
		t.Error("there is nothing that could be left")
	}
	r.Cut()
	a.clean(t, d)
}

func halfCloses(t *testing.T, a *arena) {
	for _, requests := range [][]*pb.Request{
		{}, {{Type: &pb.Request_Config{Config: &pb.Config{}}}},
		{{Type: &pb.Request_Config{Config: &pb.Config{}}}, initWith("on init\nsleep 1h\n")},
	} {
		s := a.raw(t)
		for _, req := range requests {
			if err := s.Send(req); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if len(requests) == 2 {
			if resp, err := s.Recv(); err != nil || !strings.Contains(client.ErrorOf(resp), "canceled") {
				t.Errorf("the canceled init: %v, %v", resp, err)
			}
		}
		if resp, err := s.Recv(); err != io.EOF {
			t.Errorf("after %d requests: %v, %v", len(requests), resp, err)
		}
	}
}

func tinyMessages(t *testing.T, a *arena) {
	n := scaled(20_000, 1_000_000)
	s := a.raw(t)
	defer s.Close()
	if err := s.Configure(&pb.Config{}); err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := s.Cancel(); err != nil {
			t.Fatal(err)
		}
	}
	if resp, err := s.Do(inTime(t), initWith("on plan\nsleep 1h\n"), nil); err != nil || client.ErrorOf(resp) != "" {
		t.Fatalf("after %d idle ones: %v, %v", n, resp, err)
	}
	if err := s.Send(plan); err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := s.Cancel(); err != nil {
			t.Fatal(err)
		}
	}
	if resp, err := s.Recv(); err != nil || !strings.Contains(client.ErrorOf(resp), "canceled") {
		t.Errorf("the canceled plan: %v, %v", resp, err)
	}
	if resp, err := s.Do(inTime(t), parse, nil); err != nil || client.ErrorOf(resp) != "" {
		t.Errorf("after all of them: %v, %v", resp, err)
	}
}

func hugeMessages(t *testing.T, a *arena) {
	for _, m := range []struct {
		size int
		want string
	}{{64<<20 + 1, "(setting max_message)"}, {130 << 20, "larger than max"}} {
		s := a.raw(t)
		if err := s.Configure(&pb.Config{}); err != nil {
			t.Fatal(err)
		}
		// The stream may end while it is still being sent.
		if err := s.Send(initOf(make([]byte, m.size))); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		wantStatus(t, s, codes.ResourceExhausted, m.want)
	}
}

// atEveryMoment spreads the ends of sessions over the life of one.
func atEveryMoment(hangUp bool) func(*testing.T, *arena) {
	return func(t *testing.T, a *arena) {
		began := time.Now()
		if _, err := a.honest.session(inTime(t)); err != nil {
			t.Fatal(err)
		}
		life := time.Since(began) * 3 / 2 // more at once take longer
		const sessions, atOnce = 40, 8
		slots := make(chan struct{}, atOnce)
		var running sync.WaitGroup
		for i := range sessions {
			slots <- struct{}{}
			running.Go(func() {
				defer func() { <-slots }()
				if err := a.endAfter(life*time.Duration(i)/sessions, hangUp); err != nil {
					t.Errorf("moment %d: %v", i, err)
				}
			})
		}
		running.Wait()
	}
}

// endAfter holds an honest session, which is canceled or hung up after a while.
func (a *arena) endAfter(after time.Duration, hangUp bool) error {
	s, err := a.open(context.Background())
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), after)
	defer cancel()
	if hangUp {
		stop := context.AfterFunc(ctx, func() { s.Close() })
		defer stop()
	}
	for _, req := range []*pb.Request{initWith(honestScript), parse, plan, apply, graph} {
		use := ctx
		if hangUp {
			use = context.Background()
		}
		resp, err := s.Do(use, req, nil)
		switch {
		case err == nil && client.ErrorOf(resp) != "":
			if text := client.ErrorOf(resp); !strings.Contains(text, "canceled") {
				return fmt.Errorf("%T: %s", req.GetType(), text)
			}
			return nil
		case err == nil:
		case hangUp && status.Code(err) == codes.Canceled, hangUp && strings.Contains(err.Error(), "canceled"), errors.Is(err, context.DeadlineExceeded):
			return nil
		default:
			return fmt.Errorf("%T: %w", req.GetType(), err)
		}
	}
	return nil
}

func silentStreams(t *testing.T, a *arena) {
	const connections, each = 10, 100
	before := runtime.NumGoroutine()
	var sessions []*client.Session
	for range connections {
		c, err := client.Dial(a.address, client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range each {
			s, err := c.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, s)
		}
	}
	t.Logf("%d streams: %d goroutines more, at both ends", len(sessions), runtime.NumGoroutine()-before)
	for _, s := range sessions {
		s.Close()
	}
	if !daemontest.Soon(func() bool { return runtime.NumGoroutine() < before+200 }) {
		t.Errorf("%d goroutines are left of them", runtime.NumGoroutine()-before)
	}
}

func tooManyStreams(t *testing.T, _ *arena) {
	d := startDaemon(t, host.Options{}, server.Options{Streams: 5})
	for range 5 {
		s := d.raw(t)
		if err := s.Configure(&pb.Config{}); err != nil {
			t.Fatal(err)
		}
		if resp, err := s.Do(inTime(t), initOf(nil), nil); err != nil || client.ErrorOf(resp) != "" {
			t.Fatalf("%v, %v", resp, err)
		}
	}
	wantStatus(t, d.raw(t), codes.ResourceExhausted, "5 sessions are open, the limit (setting max_streams)")
}

func rapidReset(t *testing.T, a *arena) {
	for range scaled(2000, 100_000) {
		s, err := a.client.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
}

func silentConnections(t *testing.T, a *arena) {
	for i := range 200 {
		c, err := net.Dial("unix", strings.TrimPrefix(a.address, "unix:"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		switch i % 4 {
		case 1:
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		case 2:
			_, _ = io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		case 3:
			_, _ = c.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00\x00\x00\x00\x00\x01")) // a frame of 16 MiB
		}
	}
	if _, err := a.honest.session(inTime(t)); err != nil {
		t.Error(err)
	}
}
