package server_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// misbehaviours are ways in which a plugin fails, as steps of the echo plugin, and what the Complete says that comes in its place.
var misbehaviours = []struct {
	name, steps, want string
}{
	{"traps", "trap", "trapped"},
	{"crashes", "crash oh no", "trapped"},
	{"panics", "panic oh no", "oh no"},
	{"exits well", "exit 0", "exit"},
	{"exits badly", "exit 3", "exited with code 3"},
	{"returns a status", "return 1", "plugin echo"},
	{"returns a negative status", "return -1", "plugin echo"},
	{"does not answer", "return 0", "without an answer"},
	{"answers twice", "respond\nrespond", ""},
	{"answers with garbage", `respond-bytes "\xff\xff"`, "no Response"},
	{"answers with nothing", `respond-bytes ""`, "empty Response"},
	{"answers with a log", `respond {"log": {"output": "x"}}`, "with a Log"},
	{"answers another request", `respond OTHER`, "it answered the"},
	{"runs out of memory", "exhaust", "memory"},
}

// hangs are those that take as long as they may.
var hangs = []struct{ name, steps, want string }{
	{"computes for ever", "spin", "setting request_timeout"},
	{"sleeps for ever", "hang", "setting request_timeout"},
}

var kinds = []string{"init", "parse", "plan", "apply", "graph"}

func TestMisbehavingPlugin(t *testing.T) {
	// Nobody waits for a turn: what is tested is what plugins do to each other.
	d := startDaemon(t, host.Options{Concurrency: 100})
	honest := startHonest(t, d)
	var sessions sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, m := range misbehaviours {
		for _, kind := range kinds {
			sessions.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				misbehave(t, d, m.name, kind, m.steps, m.want)
			})
		}
	}
	sessions.Wait()
	t.Logf("%d sessions were misbehaved in; an honest one was answered %d times meanwhile", len(misbehaviours)*len(kinds), honest())
}

func TestHangingPlugin(t *testing.T) {
	d := startDaemon(t, host.Options{RequestTimeout: 10 * time.Second, Concurrency: 100})
	var sessions sync.WaitGroup
	for _, h := range hangs {
		for _, kind := range kinds {
			// The limit on the time of those that behave is the same, and those that compute don't hold them up.
			sessions.Go(func() { misbehave(t, d, h.name, kind, h.steps, h.want) })
		}
	}
	sessions.Wait()
}

// misbehave has the plugin misbehave at one request of a session. Its Complete carries the error, and the next such request is answered.
func misbehave(t *testing.T, d *daemon, name, kind, steps, want string) {
	other := `{"graph": {}}`
	if kind == "graph" {
		other = `{"plan": {}}`
	}
	script := "on " + kind + " 1\n" + strings.ReplaceAll(steps, "OTHER", other) + "\n"
	s, err := d.open(t.Context())
	if err != nil {
		t.Errorf("%s/%s: %v", name, kind, err)
		return
	}
	defer s.Close()
	requests := map[string]*pb.Request{"init": initWith(script), "parse": parse, "plan": plan, "apply": apply, "graph": graph}
	order := []string{"init", "parse", "plan", "apply", "graph"}
	for i := 0; i < len(order); i++ {
		resp, err := s.Do(t.Context(), requests[order[i]], nil)
		if err != nil {
			t.Errorf("%s/%s: %s: %v", name, kind, order[i], err)
			return
		}
		text := client.ErrorOf(resp)
		switch {
		case order[i] != kind || want == "":
			if text != "" {
				t.Errorf("%s/%s: %s failed: %s", name, kind, order[i], text)
				return
			}
		case !strings.Contains(text, want):
			t.Errorf("%s/%s: the Complete says %q, want %q", name, kind, text, want)
			return
		default:
			// Again: this time it behaves. An apply needs a new plan first.
			kind = "none"
			if order[i] == "apply" {
				order = append(order[:i+1:i+1], "plan", "apply", "graph")
			} else {
				i--
			}
		}
	}
}

// startHonest opens a session that plans over and over. The function it returns ends that and says how often it was answered.
func startHonest(t *testing.T, d *daemon) func() int {
	t.Helper()
	s, err := d.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), initWith("on plan\nlog info honest\ncomplete {\"dailyCost\": 7}\n"), nil); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	answered := make(chan int, 1)
	go func() {
		defer s.Close()
		n := 0
		for ctx.Err() == nil {
			if err := honestPlan(t.Context(), s); err != nil {
				t.Errorf("the honest session: %v", err)
				break
			}
			n++
		}
		answered <- n
	}()
	return func() int {
		stop()
		n := <-answered
		if n == 0 {
			t.Error("the honest session was never answered")
		}
		return n
	}
}

func honestPlan(ctx context.Context, s *client.Session) error {
	var logs []string
	resp, err := s.Do(ctx, plan, func(l *pb.Log) { logs = append(logs, l.Output) })
	if err != nil {
		return err
	}
	if client.ErrorOf(resp) != "" || resp.GetPlan().GetDailyCost() != 7 || fmt.Sprint(logs) != "[honest]" {
		return fmt.Errorf("got %v and the logs %q", resp, logs)
	}
	return nil
}
