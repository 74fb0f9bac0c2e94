package jail

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host/internal/exec/jail/cgroup"
	"github.com/provisor/provisor/host/internal/exec/jail/supervisor/attempt"
)

// flood runs a program that wants too much, and returns what it printed, how it ended, and which limits it hit.
func flood(t *testing.T, j *Jail, cell Cell, args ...string) (string, unix.WaitStatus, cgroup.Hits) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := j.Start(Command{Path: args[0], Args: args[1:], Env: []string{"PATH=/usr/bin:/bin"}, Dir: cell.Write[0], Cell: cell, Stdout: w, Stderr: w, ExitTimeout: time.Second})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	printed := make(chan string)
	go func() { out, _ := io.ReadAll(r); printed <- string(out) }()
	exit, err := p.AwaitExit()
	if err != nil {
		t.Error(err)
	}
	if err := p.Finish(); err != nil {
		t.Error(err)
	}
	return <-printed, unix.WaitStatus(exit.Status), p.Hits()
}

// Where there is no pid namespace a program can kill its supervisor. What it leaves dies all the same.
func TestCgroupOutlivesTheSupervisor(t *testing.T) {
	j := newJail(t, Options{NoNamespaces: true, Disable: []Layer{Landlock}})
	if !j.works[Cgroup] {
		t.Skip("no cgroups: ", j.statuses[Cgroup].How)
	}
	own := t.TempDir()
	const script = `setsid sh -c 'trap "" INT TERM HUP; echo $$ >pid; sleep 1000' & until [ -s pid ] && [ -e started ]; do sleep 0.01; done; kill -9 $PPID; sleep 1000`
	p, err := j.Start(Command{Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: own, Cell: Cell{Write: []string{own}}, Stdout: os.Stdout, Stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(own, "started"), nil, 0o644); err != nil {
		t.Error(err)
	}
	if _, err := p.AwaitExit(); !errors.Is(err, ErrLost) {
		t.Errorf("got %v", err)
	}
	if err := p.Finish(); err == nil {
		t.Error("nobody has noticed that the supervisor was killed")
	}
	pid, err := os.ReadFile(filepath.Join(own, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	if stat, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "stat")); err == nil && !strings.Contains(string(stat), ") Z ") {
		t.Errorf("it lives: %s", stat)
	}
}

// Memory and processes are bounded for a program with all that it starts, as root as well; the supervisor lives to tell.
func TestCgroup(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, j := range map[string]*Jail{
		"all": newJail(t, Options{}), "no namespaces": newJail(t, Options{NoNamespaces: true}), "alone": only(t, Options{}, Cgroup),
	} {
		t.Run(name, func(t *testing.T) {
			if !j.works[Cgroup] {
				t.Skip("no cgroups: ", j.statuses[Cgroup].How)
			}
			own := t.TempDir()
			cell := Cell{Execute: []string{exe}, Write: []string{own}, Memory: 64 << 20, Processes: 60}
			if out, status, hits := flood(t, j, cell, exe, attempt.Name, "memory=16777216"); status != 0 || hits != (cgroup.Hits{}) || strings.Contains(out, "Refused\":\"x") {
				t.Errorf("within the limit: %s, %#x, %+v", out, status, hits)
			}
			if out, status, hits := flood(t, j, cell, exe, attempt.Name, "memory=268435456"); status.Signal() != unix.SIGKILL || hits != (cgroup.Hits{Memory: true}) {
				t.Errorf("a flood of memory: %s, %#x, %+v", out, status, hits)
			}
			// Together they are too large, not each: one dies, and the program goes on. Until then nobody takes what they have.
			const half = "head -c 46000000 /dev/zero | { tail -c 46000000 || : >dead; } | (for i in $(seq 600); do [ -e dead ] && break; sleep 0.1; done; wc -c >/dev/null) & "
			const script = half + half + "wait; echo goes on"
			if out, status, hits := flood(t, j, cell, "/bin/sh", "-c", script); status != 0 || !strings.Contains(out, "goes on") || hits != (cgroup.Hits{Memory: true}) {
				t.Errorf("two that are too large together: %s, %#x, %+v", out, status, hits)
			}
			began := time.Now()
			// The shell itself forks no more, and waits for the first that can't.
			bomb := `mkfifo failed; (sleep 20; echo nothing >failed) & b() { b | b & sleep 100; }; b 2>failed & read failure <failed; echo "$failure"`
			out, status, hits := flood(t, j, cell, "/bin/sh", "-c", bomb)
			if !strings.Contains(out, "fork:") && !strings.Contains(out, "Cannot fork") || hits != (cgroup.Hits{Processes: true}) {
				t.Errorf("a fork bomb: %s, %#x, %+v", out, status, hits)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("a fork bomb took %v", took)
			}
		})
	}
}
