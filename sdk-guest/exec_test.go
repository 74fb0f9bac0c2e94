package guest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

func TestRunPassesEverythingOn(t *testing.T) {
	s := guesttest.New(t)
	s.WriteFile("sub/x", "")
	s.Program("tool", func(run *guesttest.Run) int {
		in, _ := io.ReadAll(run.Stdin)
		fmt.Fprintf(run.Stdout, "%q %q %q", run.Args, run.Getenv("A"), in)
		fmt.Fprint(run.Stderr, "warned")
		return 0
	})
	var stdout, stderr bytes.Buffer
	c := guest.Command(s.Context(), "tool", "x", "")
	c.Env, c.Dir, c.Stdin, c.Stdout, c.Stderr = []string{"A=2", "B=1"}, "sub", strings.NewReader("in"), &stdout, &stderr
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	if got, want := stdout.String()+stderr.String(), `["x" ""] "2" "in"warned`; got != want {
		t.Errorf("output %s, want %s", got, want)
	}
	want := []*guestpb.ExecRequest{{Program: "tool", Args: []string{"x", ""}, Env: []string{"A=2", "B=1"}, Dir: "sub", Stdin: true}}
	if diff := cmp.Diff(want, s.Runs(), protocmp.Transform()); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	if c.Result.GetStartedAt() == nil || c.Result.GetEndedAt() == nil {
		t.Errorf("result %v", c.Result)
	}
	if err := c.Run(); err == nil {
		t.Error("a command ran twice")
	}
}

func TestRunErrors(t *testing.T) {
	s := guesttest.New(t)
	s.Program("exits", func(run *guesttest.Run) int { fmt.Fprint(run.Stderr, "why"); return 3 })
	for name, c := range map[string]struct {
		cmd  *guest.Cmd
		want string
		is   error
	}{
		"not granted":  {guest.Command(s.Context(), "rm"), `run rm: program "rm" is not granted: call Session.Program or Session.Path`, abi.Denied},
		"no directory": {&guest.Cmd{Program: "exits", Dir: "none"}, "make a Cmd with Command", nil},
		"exit status":  {guest.Command(s.Context(), "exits"), "exit status 3", nil},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := c.cmd.Output()
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("Output() = %q, %v; want %s", out, err, c.want)
			}
			var exit *guest.ExitError
			if errors.As(err, &exit) && (string(exit.Stderr) != "why" || exit.Result.GetExitCode() != 3) {
				t.Errorf("ExitError %q, %v", exit.Stderr, exit.Result)
			}
		})
	}
	c := guest.Command(s.Context(), "exits")
	c.Dir = "none"
	if err := c.Run(); !errors.Is(err, abi.NotFound) {
		t.Errorf("a missing directory: %v", err)
	}
	for _, env := range [][]string{{"A=1", "A=2"}, {"A"}, {"=1"}} {
		c = guest.Command(s.Context(), "exits")
		c.Env = env
		if err := c.Run(); !errors.Is(err, abi.Invalid) {
			t.Errorf("the environment %q: %v", env, err)
		}
	}
	c = guest.Command(s.Context(), "exits")
	c.Stdout = io.Discard
	if _, err := c.Output(); err == nil {
		t.Error("Output with a Stdout")
	}
}

func TestOutputBoundsStderr(t *testing.T) {
	s := guesttest.New(t)
	s.Program("tool", func(run *guesttest.Run) int {
		fmt.Fprint(run.Stderr, "begin", strings.Repeat("x", 100<<10))
		fmt.Fprint(run.Stderr, strings.Repeat("y", 50), "end")
		return 1
	})
	_, err := guest.Command(s.Context(), "tool").Output()
	var exit *guest.ExitError
	if !errors.As(err, &exit) {
		t.Fatal(err)
	}
	got := string(exit.Stderr)
	left := len("begin") + 100<<10 + 50 + len("end") - 64<<10
	note := fmt.Sprintf("\n... %d bytes left out ...\n", left)
	if !strings.HasPrefix(got, "begin") || !strings.HasSuffix(got, "yend") || !strings.Contains(got, note) || len(got) != 64<<10+len(note) {
		t.Errorf("%d bytes of stderr; want %d bytes and the note %q", len(got), 64<<10+len(note), note)
	}
}

func TestStdinOfAProgramThatDoesNotRead(t *testing.T) {
	s := guesttest.New(t)
	s.Program("tool", func(run *guesttest.Run) int { fmt.Fprint(run.Stdout, "out"); return 0 })
	c := guest.Command(s.Context(), "tool")
	c.Stdin = strings.NewReader(strings.Repeat("x", 1<<20))
	if out, err := c.Output(); err != nil || string(out) != "out" {
		t.Errorf("Output() = %q, %v", out, err)
	}
}

// A program that copies its input fills its output while the plugin still writes: neither may wait for the other.
func TestStdinAndStdoutAtOnce(t *testing.T) {
	s := guesttest.New(t)
	s.Program("cat", func(run *guesttest.Run) int { io.Copy(run.Stdout, run.Stdin); return 0 })
	in := bytes.Repeat([]byte("0123456789"), 300_000)
	c := guest.Command(s.Context(), "cat")
	c.Stdin = bytes.NewReader(in)
	out, err := c.Output()
	if err != nil || !bytes.Equal(in, out) {
		t.Errorf("%d bytes of %d came back, %v", len(out), len(in), err)
	}
}

func TestReaderAndWriterErrors(t *testing.T) {
	broken := errors.New("broken")
	s := guesttest.New(t)
	s.Program("tool", func(run *guesttest.Run) int {
		io.Copy(io.Discard, run.Stdin)
		io.WriteString(run.Stdout, strings.Repeat("x", 1<<20))
		fmt.Fprint(run.Stderr, "end")
		return 0
	})
	var stderr bytes.Buffer
	c := guest.Command(s.Context(), "tool")
	c.Stdout, c.Stderr = failing{broken}, &stderr
	if err := c.Run(); !errors.Is(err, broken) || stderr.String() != "end" {
		t.Errorf("a writer that fails: %v, stderr %q", err, &stderr)
	}
	c = guest.Command(s.Context(), "tool")
	c.Stdin = failing{broken}
	if err := c.Run(); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestCancelOfARunningProgram(t *testing.T) {
	s := guesttest.New(t)
	s.Program("tool", func(run *guesttest.Run) int {
		fmt.Fprintln(run.Stdout, "started")
		<-run.Interrupted
		fmt.Fprintln(run.Stdout, "cleaned up")
		return 1
	})
	s.OnLog(func(*pb.Log) { s.Cancel() })
	s.Use(planner{plan: func(ctx context.Context, _ *pb.PlanRequest) *pb.PlanComplete {
		c := guest.Command(ctx, "tool")
		c.Stdout = guest.NewLogWriter(pb.LogLevel_INFO)
		err := c.Run()
		if !errors.Is(err, guest.ErrCanceled) || !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("Run() = %v; ctx.Err() = %v", err, ctx.Err())
		}
		if err := guest.Command(ctx, "tool").Run(); !errors.Is(err, guest.ErrCanceled) {
			t.Errorf("a program after the cancel: %v", err)
		}
		return &pb.PlanComplete{Error: err.Error()}
	}})
	if got := s.Plan(&pb.PlanRequest{}).GetError(); got != "exit status 1" {
		t.Errorf("error %q", got)
	}
	if got := s.LogText(); got != "INFO: started\nINFO: cleaned up\n" {
		t.Errorf("logs %q", got)
	}
}

func TestDeadlineOfThePluginsOwn(t *testing.T) {
	s := guesttest.New(t)
	var expire context.CancelCauseFunc
	s.Program("gentle", func(run *guesttest.Run) int { expire(context.DeadlineExceeded); <-run.Interrupted; return 130 })
	s.Program("stubborn", func(run *guesttest.Run) int { expire(context.DeadlineExceeded); <-run.Killed; return 0 })
	for program, tt := range map[string]struct {
		waitDelay time.Duration
		want      string
	}{
		"gentle":   {time.Hour, "exit status 130"},
		"stubborn": {10 * time.Millisecond, "signal: killed"},
	} {
		t.Run(program, func(t *testing.T) {
			var ctx context.Context
			ctx, expire = context.WithCancelCause(s.Context())
			c := guest.Command(ctx, program)
			c.WaitDelay = tt.waitDelay
			err := c.Run()
			if err == nil || err.Error() != tt.want || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Run() = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestRealProgram(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	s := guesttest.New(t)
	s.Path("sh", sh, "GRANTED=1")
	run := func(script string, stdin io.Reader) (string, error) {
		c := guest.Command(s.Context(), "sh", "-c", script)
		c.Env, c.Stdin = []string{"ASKED=2"}, stdin
		out, err := c.Output()
		return string(out), err
	}
	if out, err := run(`echo "$GRANTED $ASKED $PROVISOR_GUESTTEST" && pwd && cat`, strings.NewReader("in")); err != nil || !strings.HasPrefix(out, "1 2 \n/") || !strings.HasSuffix(out, "\nin") {
		t.Errorf("output %q, %v", out, err)
	}
	if _, err := run("echo why >&2; exit 4", nil); err == nil || err.Error() != "exit status 4" || string(err.(*guest.ExitError).Stderr) != "why\n" {
		t.Errorf("a failing program: %v", err)
	}
	if _, err := run("kill -9 $$", nil); err == nil || err.Error() != "signal: killed" {
		t.Errorf("a killed program: %v", err)
	}
}
