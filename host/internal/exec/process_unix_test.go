//go:build unix

package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
)

func TestMain(m *testing.M) {
	if arguments := os.Getenv("EXEC_TEST_DAEMON"); arguments != "" {
		beDaemon(arguments)
	}
	if signal.Ignored(os.Interrupt) {
		// As in a daemon: otherwise a shell in the background, which ignores it, would have each program do so.
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	goleak.VerifyTestMain(m)
}

// shell is a program that runs the script, with the usual tools at hand.
func shell(t *testing.T, script string, change ...func(*Program)) Program {
	t.Helper()
	p := Program{
		Path:        "/bin/sh",
		Args:        []string{"-c", script},
		Env:         []string{"PATH=/usr/bin:/bin"},
		Dir:         t.TempDir(),
		ExitTimeout: 5 * time.Second,
		Jail:        underJail,
	}
	p.Cell.Write = []string{p.Dir}
	for _, c := range change {
		c(&p)
	}
	return p
}

func start(t *testing.T, p Program) *Process {
	t.Helper()
	pr, err := Start(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pr.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return pr
}

// readAll reads both streams to their end.
func readAll(t *testing.T, p *Process, bufSize int) (stdout, stderr string, err error) {
	t.Helper()
	var out [2]bytes.Buffer
	buf := make([]byte, bufSize)
	for {
		s, n, err := p.Read(t.Context(), buf, 20*time.Second)
		switch {
		case err != nil:
			return out[0].String(), out[1].String(), err
		case s == abi.Ended:
			return out[0].String(), out[1].String(), nil
		case s == abi.TimedOut:
			t.Fatal("the program neither writes nor ends")
		}
		out[s-abi.Stdout].Write(buf[:n])
	}
}

func wait(t *testing.T, p *Process) *guestpb.ExecResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := p.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// alive reports whether the process exists and is no zombie.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) || !fileExists("/proc/self/stat")
	}
	return !bytes.Contains(stat, []byte(") Z "))
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// pidFrom reads a pid that a script writes into a file.
func pidFrom(t *testing.T, file string) int {
	t.Helper()
	for range 500 {
		if b, err := os.ReadFile(file); err == nil && bytes.HasSuffix(b, []byte("\n")) {
			pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the script never wrote", file)
	return 0
}

func TestExit(t *testing.T) {
	tests := []struct {
		name, script, stdout, stderr string
		code                         int32
		signal                       string
	}{
		{name: "success", script: "echo out; echo err >&2", stdout: "out\n", stderr: "err\n"},
		{name: "silence", script: ":"},
		{name: "failure", script: "exit 7", code: 7},
		{name: "signal", script: "kill -TERM $$", code: -1, signal: "terminated"},
		{name: "empty standard input", script: "cat; echo done", stdout: "done\n"},
		{name: "environment from nothing", script: "/usr/bin/env | grep -v -e ^_= -e ^PWD= -e ^SHLVL=", stdout: "PATH=/usr/bin:/bin\n"},
	}
	t.Setenv("PROVISOR_TEST_SECRET", "canary")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := start(t, shell(t, test.script))
			stdout, stderr, err := readAll(t, p, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if stdout != test.stdout || stderr != test.stderr {
				t.Errorf("got stdout %q, stderr %q; want %q, %q", stdout, stderr, test.stdout, test.stderr)
			}
			first, second := wait(t, p), wait(t, p)
			if first.ExitCode != test.code || first.Signal != test.signal || first.KilledBy != "" {
				t.Errorf("got %v, want code %d, signal %q", first, test.code, test.signal)
			}
			if first == second || !first.EndedAt.AsTime().Equal(second.EndedAt.AsTime()) {
				t.Error("a second Wait must return an equal copy")
			}
			if took := first.EndedAt.AsTime().Sub(first.StartedAt.AsTime()); took <= 0 || took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
			if first.MaxRssBytes < 100<<10 {
				t.Errorf("max RSS is %d bytes, too small for a shell", first.MaxRssBytes)
			}
		})
	}
}

func TestInterruptReachesOnlyTheProgram(t *testing.T) {
	dir := t.TempDir()
	p := start(t, shell(t, `
		sh -c 'trap "echo hit > `+dir+`/child" INT; echo $$ > `+dir+`/pid; while :; do sleep 0.05; done' &
		trap 'echo interrupted; exit 3' INT
		echo ready; while :; do sleep 0.05; done`))
	if s, _, err := p.Read(t.Context(), make([]byte, 100), -1); s != abi.Stdout || err != nil {
		t.Fatal(s, err)
	}
	child := pidFrom(t, dir+"/pid")
	if err := p.Interrupt(); err != nil {
		t.Fatal(err)
	}
	stdout, _, err := readAll(t, p, 100)
	if err != nil || stdout != "interrupted\n" {
		t.Errorf("got %q, %v", stdout, err)
	}
	if r := wait(t, p); r.ExitCode != 3 || r.KilledBy != "" || r.Signal != "" {
		t.Errorf("got %v", r)
	}
	if fileExists(dir + "/child") {
		t.Error("the child was interrupted as well")
	}
	if alive(child) {
		t.Error("the child outlived its group")
	}
	if err := p.Interrupt(); err != nil {
		t.Error("interrupt after the end:", err)
	}
}

func TestKillTakesTheGroup(t *testing.T) {
	dir := t.TempDir()
	p := start(t, shell(t, `sh -c 'trap "" INT TERM HUP; echo $$ > `+dir+`/pid; while :; do sleep 1; done' & trap "" INT; echo ready; wait; sleep 60`))
	child := pidFrom(t, dir+"/pid")
	if err := p.Kill("deadline"); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill("later"); err != nil {
		t.Fatal(err)
	}
	r := wait(t, p)
	if r.ExitCode != -1 || r.Signal != "killed" || r.KilledBy != "deadline" {
		t.Errorf("got %v", r)
	}
	if alive(child) {
		t.Error("the child survived")
	}
	if err := p.Kill("again"); err != nil {
		t.Error("kill after the end:", err)
	}
}

func TestCloseEndsWhatRuns(t *testing.T) {
	tests := []struct {
		name, script, killedBy, signal string
		timeout                        time.Duration
		code                           int32
	}{
		{name: "on interrupt", script: `trap "exit 5" INT; echo ready; while :; do sleep 0.05; done`, timeout: time.Minute, code: 5},
		{name: "on kill", script: `trap "" INT; echo ready; while :; do sleep 0.05; done`, timeout: 50 * time.Millisecond,
			code: -1, killedBy: "close", signal: "killed"},
		{name: "while its output is full", script: `trap "exit 6" INT; echo ready; while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done`,
			timeout: time.Minute, code: 6},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := Start(shell(t, test.script, func(p *Program) { p.ExitTimeout = test.timeout }))
			if err != nil {
				t.Fatal(err)
			}
			if s, _, err := p.Read(t.Context(), make([]byte, 100), -1); s != abi.Stdout || err != nil {
				t.Fatal(s, err)
			}
			if strings.Contains(test.name, "full") {
				time.Sleep(200 * time.Millisecond)
			}
			began := time.Now()
			for range 2 {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			if r := wait(t, p); r.ExitCode != test.code || r.KilledBy != test.killedBy || r.Signal != test.signal {
				t.Errorf("got %v", r)
			}
		})
	}
}

// What a program leaves behind is killed with its group, whether it holds the streams open or not.
func TestProgramLeavesAChild(t *testing.T) {
	for name, redirect := range map[string]string{"with its streams": "", "without": ">/dev/null 2>&1"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := start(t, shell(t, `sh -c 'echo $$ > `+dir+`/pid; sleep 60' `+redirect+` & while ! [ -s `+dir+`/pid ]; do sleep 0.01; done; echo bye`))
			began := time.Now()
			stdout, _, err := readAll(t, p, 100)
			if err != nil || stdout != "bye\n" {
				t.Errorf("got %q, %v", stdout, err)
			}
			r := wait(t, p)
			if took := time.Since(began); took > 30*strayGrace {
				t.Errorf("it took %v", took)
			}
			if r.ExitCode != 0 || r.KilledBy != "" {
				t.Errorf("got %v", r)
			}
			if child := pidFrom(t, dir+"/pid"); alive(child) {
				t.Error("the child survived")
			}
		})
	}
}

// A child that leaves the process group is not contained: that takes a jail. It must not hold anything up, though, not
// even when it goes on writing.
func TestChildLeavesTheGroup(t *testing.T) {
	if !fileExists("/usr/bin/setsid") {
		t.Skip("no setsid here")
	}
	for name, job := range map[string]string{"silent": "sleep 60", "flooding": "while :; do echo xxxxxxxxxxxxxxxxxxxx; done"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := start(t, shell(t, `setsid sh -c 'echo $$ > `+dir+`/pid; `+job+`' & while ! [ -s `+dir+`/pid ]; do sleep 0.01; done; echo bye >&2`))
			stray := pidFrom(t, dir+"/pid")
			defer syscall.Kill(-stray, syscall.SIGKILL)
			_, stderr, err := readAll(t, p, 32<<10)
			if err != nil || !strings.HasPrefix(stderr, "bye\n") {
				t.Errorf("got %q, %v", stderr, err)
			}
			if r := wait(t, p); r.ExitCode != 0 {
				t.Errorf("got %v", r)
			}
			if name == "silent" && !alive(stray) {
				t.Error("setsid is contained here: say so in the package's comment")
			}
		})
	}
}

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		program Program
		want    abi.Errno
		text    string
	}{
		{"relative path", Program{Path: "sh", Dir: dir}, abi.Invalid, `run "sh": the program's path is not absolute`},
		{"missing program", Program{Path: dir + "/none", Dir: dir}, abi.NotFound, "run " + dir + "/none: "},
		{"not executable", Program{Path: file, Dir: dir}, abi.IO, "permission denied"},
		{"relative directory", Program{Path: "/bin/sh", Dir: "x"}, abi.Invalid, `the working directory "x" is not absolute`},
		{"missing directory", Program{Path: "/bin/sh", Dir: dir + "/none"}, abi.NotFound, "working directory: stat " + dir + "/none"},
		{"file as directory", Program{Path: "/bin/sh", Dir: file}, abi.Invalid, "is not a directory"},
		{"NUL in an argument", Program{Path: "/bin/sh", Dir: dir, Args: []string{"a\x00b"}}, abi.Invalid, "NUL"},
		{"NUL in a variable", Program{Path: "/bin/sh", Dir: dir, Env: []string{"A=a\x00b"}}, abi.Invalid, "NUL"},
		{"too many arguments", Program{Path: "/bin/sh", Dir: dir, Args: []string{strings.Repeat("x", 4<<20)}}, abi.IO, "argument list too long"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Start(test.program)
			if err == nil || abi.ErrnoOf(err) != test.want || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want %q that wraps %v", err, test.text, test.want)
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	for i := range 16 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			p := start(t, shell(t, "cat; echo err >&2; exit "+strconv.Itoa(i), func(p *Program) { p.Stdin = true }))
			if _, err := p.Write([]byte(strconv.Itoa(i))); err != nil {
				t.Fatal(err)
			}
			if err := p.CloseStdin(); err != nil {
				t.Fatal(err)
			}
			stdout, stderr, err := readAll(t, p, 100)
			if diff := cmp.Diff([]string{strconv.Itoa(i), "err\n"}, []string{stdout, stderr}); diff != "" || err != nil {
				t.Error(diff, err)
			}
			if r := wait(t, p); r.ExitCode != int32(i) {
				t.Errorf("got %v", r)
			}
		})
	}
}
