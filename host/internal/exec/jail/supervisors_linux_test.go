package jail

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/exec/jail/cgroup"
)

// kept are supervisors that are kept in a test.
type kept struct {
	*Supervisors
	jail *Jail
	cell Cell
	// told is how many have ended.
	told atomic.Int32
}

func newKept(t *testing.T, linger time.Duration) *kept {
	t.Helper()
	k := &kept{jail: newJail(t, Options{})}
	if !k.jail.works[ProcessTree] {
		t.Skip("no pid namespace: ", k.jail.statuses[ProcessTree].How)
	}
	k.Supervisors = NewSupervisors(linger, func(cpu time.Duration) {
		if cpu <= 0 {
			t.Errorf("a supervisor took %v", cpu)
		}
		k.told.Add(1)
	})
	own := t.TempDir()
	k.cell = Cell{Write: []string{own}, Tmp: own, Memory: tryMemory, Processes: tryProcesses}
	t.Cleanup(func() {
		if err := k.End(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// start starts a script whose output is read from the file.
func (k *kept) start(t *testing.T, script string, change ...func(*Command)) (*Process, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	c := Command{
		Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: k.cell.Write[0], Cell: k.cell, Stdout: w, Stderr: w,
		ExitTimeout: time.Second, Supervisors: k.Supervisors,
	}
	for _, change := range change {
		change(&c)
	}
	p, err := k.jail.Start(c)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

// run runs a script, and returns the id of its supervisor and what it printed.
func (k *kept) run(t *testing.T, script string, change ...func(*Command)) (supervisor int, out string) {
	t.Helper()
	p, r := k.start(t, script, change...)
	printed, err := io.ReadAll(r)
	if err == nil {
		_, err = p.AwaitExit()
	}
	if err := errors.Join(err, p.Finish()); err != nil {
		t.Fatal(err)
	}
	return p.pid(), string(printed)
}

// A supervisor serves one program after the other, and none that may reach something else, or that must be alone.
func TestSupervisorIsKept(t *testing.T) {
	k := newKept(t, time.Hour)
	read := filepath.Join(t.TempDir(), "read")
	if err := os.WriteFile(read, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	k.cell.Read = []string{read}
	first, _ := k.run(t, "exit 1")
	for name, change := range map[string]func(*Command){
		"the same": func(*Command) {}, "without the network": func(c *Command) { c.Cell.Offline = true }, "with other lines and variables": func(c *Command) { c.Env, c.Dir = nil, "/" },
	} {
		if again, _ := k.run(t, "exit", change); again != first {
			t.Errorf("%s: another supervisor", name)
		}
	}
	for name, change := range map[string]func(*Command){
		"more to read": func(c *Command) { c.Cell.Read = append(c.Cell.Read, c.Dir) }, "less memory": func(c *Command) { c.Cell.Memory /= 2 },
		"an apply":        func(c *Command) { c.Keep = &Keep{Work: c.Dir, Dir: t.TempDir(), Files: []string{"state"}} },
		"more to execute": func(c *Command) { c.Cell.Execute = []string{"/opt"} },
	} {
		last, _ := k.run(t, "exit")
		if other, _ := k.run(t, "exit", change); other == last {
			t.Errorf("%s: the same supervisor", name)
		}
	}
	last, _ := k.run(t, "exit")
	k.jail = k.jail.without(nil)
	if other, _ := k.run(t, "exit"); other == last {
		t.Error("another jail: the same supervisor")
	}
	replaced := func(what, path string) {
		last, _ := k.run(t, "exit")
		if err := os.WriteFile(path+"2", []byte("new"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+"2", path); err != nil {
			t.Fatal(err)
		}
		if other, out := k.run(t, "cat "+path); other == last || out != "new" {
			t.Errorf("%s was replaced: supervisor %d after %d, read %q", what, other, last, out)
		}
	}
	replaced("a file", read)
	system := filepath.Join(t.TempDir(), "system")
	if err := os.WriteFile(system, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	systemRead = append(systemRead, system)
	defer func() { systemRead = systemRead[:len(systemRead)-1] }()
	replaced("a file of the system", system)
	if _, err := k.jail.Start(Command{Path: "/none", Dir: "/", Cell: k.cell, Stdout: os.Stdout, Stderr: os.Stderr, Supervisors: k.Supervisors}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a program that is not there: %v", err)
	}
	k.run(t, "exit") // that is the end of a supervisor, but of nothing else
}

// Two programs at the same time have a supervisor each, of which one is kept.
func TestSupervisorsAtOnce(t *testing.T) {
	k := newKept(t, time.Hour)
	if err := unix.Mkfifo(filepath.Join(k.cell.Write[0], "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	waits, r := k.start(t, "read x <fifo; echo read")
	if _, out := k.run(t, "echo x >fifo; echo written"); out != "written\n" {
		t.Errorf("printed %q", out)
	}
	if out, err := io.ReadAll(r); err != nil || string(out) != "read\n" {
		t.Errorf("printed %q, %v", out, err)
	}
	if err := waits.Finish(); err != nil {
		t.Error(err)
	}
	if told := k.told.Load(); told != 1 {
		t.Errorf("%d have ended, want one", told)
	}
}

// A program finds nothing of the one before but its files, and has what is its own: network, limits, signals.
func TestNextProgram(t *testing.T) {
	k := newKept(t, time.Hour)
	const left = "(setsid sh -c 'trap \"\" INT TERM HUP; : >there; sleep 1000' >/dev/null 2>&1 &); until [ -e there ]; do sleep 0.01; done; "
	first, r := k.start(t, left+"echo x; exec sleep 1000")
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	first.Interrupt()
	if exit, err := first.AwaitExit(); err != nil || exit.Status.Signal() != unix.SIGINT {
		t.Errorf("interrupted: %+v, %v", exit, err)
	}
	if err := first.Finish(); err != nil {
		t.Fatal(err)
	}

	second, r := k.start(t, `echo /proc/[0-9]*; ls; trap 'echo interrupted' INT; until [ -e go ]; do sleep 0.01; done; exit 3`)
	if second.pid() != first.pid() {
		t.Fatal("it is another supervisor")
	}
	// What comes too late for the first is not for the second.
	first.Interrupt()
	first.Kill()
	first.killSupervisor()
	if err := os.WriteFile(filepath.Join(k.cell.Write[0], "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	exit, exitErr := second.AwaitExit()
	if err := errors.Join(err, exitErr, second.Finish()); err != nil || exit.Status.ExitStatus() != 3 {
		t.Errorf("got %+v, %v", exit, err)
	}
	// The shell.
	if lines := strings.Split(string(out), "\n"); len(strings.Fields(lines[0])) != 1 || !strings.Contains(string(out), "there\n") || strings.Contains(string(out), "interrupted") {
		t.Errorf("printed %q", out)
	}

	if !k.jail.works[Cgroup] {
		return
	}
	hungry, r := k.start(t, fmt.Sprintf("head -c %d /dev/zero | tail -c %[1]d >/dev/null", 2*tryMemory))
	_, err = io.ReadAll(r)
	if err := errors.Join(err, hungry.Finish()); err != nil || hungry.Hits() != (cgroup.Hits{Memory: true}) {
		t.Errorf("too much memory: %+v, %v", hungry.Hits(), err)
	}
	modest, _ := k.start(t, ":")
	if err := modest.Finish(); err != nil || modest.Hits() != (cgroup.Hits{}) || modest.pid() != hungry.pid() {
		t.Errorf("little memory after it: %+v, %v", modest.Hits(), err)
	}
}

// Programs see nothing of their supervisor in /proc: it has the network of the machine, those that are offline have not.
func TestSupervisorIsHidden(t *testing.T) { asBoth(t, testSupervisorIsHidden) }

func testSupervisorIsHidden(t *testing.T) {
	k := newKept(t, time.Hour)
	if !k.jail.works[Root] || !k.jail.works[Network] {
		t.Skip("no root directory of its own, or no network namespace")
	}
	_, out := k.run(t, "grep -hos '[a-z0-9]*:' /proc/[0-9]*/net/dev | sort -u; [ -e /proc/1 ] || echo hidden", func(c *Command) { c.Cell.Offline = true })
	if out != "lo:\nhidden\n" {
		t.Errorf("it sees %q", out)
	}
}

// A program may set its supervisor's limits, where that is the same user's, but not those of the next program.
func TestLimitsOfSupervisorAreChanged(t *testing.T) {
	k := newKept(t, time.Hour)
	const limits = "ulimit -a"
	_, before := k.run(t, limits)
	k.run(t, "prlimit --pid 1 --fsize=4096:4096 && : >changed")
	if _, err := os.Stat(filepath.Join(k.cell.Write[0], "changed")); err != nil {
		t.Skip("it may not: ", err)
	}
	if _, after := k.run(t, limits); after != before {
		t.Errorf("the next has\n%swant\n%s", after, before)
	}
}

// A supervisor that is not needed again ends by itself, and when it is to.
func TestKeptSupervisorEnds(t *testing.T) {
	k := newKept(t, time.Millisecond)
	k.run(t, ":")
	if !daemontest.Soon(func() bool { return k.told.Load() == 1 }) {
		t.Error("it stays")
	}
	k = newKept(t, time.Hour)
	pid, _ := k.run(t, ":")
	if err := k.End(); err != nil || k.told.Load() != 1 {
		t.Errorf("%d have ended, %v", k.told.Load(), err)
	}
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("it is there: %v", err)
	}
}

// Where something has killed a supervisor that was kept, another takes its place.
func TestKeptSupervisorIsKilled(t *testing.T) {
	k := newKept(t, time.Hour)
	pid, _ := k.run(t, ":")
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if again, out := k.run(t, "echo runs"); again == pid || out != "runs\n" {
		t.Errorf("printed %q", out)
	}
}

// A user's files that are in flight between processes are counted together, and a program may have as many as it likes. Others start still.
func TestFilesInFlight(t *testing.T) { asBoth(t, testFilesInFlight) }

func testFilesInFlight(t *testing.T) {
	k := newKept(t, time.Hour)
	pid, _ := k.run(t, ":")
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := limit
	few.Cur = 256
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	var refused error
	for range 2 {
		refused = unix.Sendmsg(pair[0], nil, unix.UnixRights(slices.Repeat(pair[:1], 250)...), nil, 0)
	}
	refused = errors.Join(refused, unix.Sendmsg(pair[0], nil, unix.UnixRights(pair[0]), nil, 0))
	if os.Getuid() != 0 && !errors.Is(refused, unix.ETOOMANYREFS) {
		t.Fatalf("too many in flight: %v", refused)
	}
	if again, out := k.run(t, "echo runs"); out != "runs\n" || (refused == nil) != (again == pid) {
		t.Errorf("supervisor %d after %d, printed %q", again, pid, out)
	}
}

// The last of a supervisor's programs is in the same jail as its first.
func TestLaterProgramIsConfined(t *testing.T) { asBoth(t, testLaterProgramIsConfined) }

func testLaterProgramIsConfined(t *testing.T) {
	users := map[string]Options{"its own user": {}}
	if os.Getuid() == 0 {
		users["another user"] = Options{User: nobody - 1}
	}
	for name, o := range users {
		t.Run(name, func(t *testing.T) {
			j := newJail(t, o)
			if !j.works[ProcessTree] {
				t.Skip("no pid namespace: ", j.statuses[ProcessTree].How)
			}
			outside := newOutside(t)
			fresh := map[bool]string{}
			for _, offline := range []bool{false, true} {
				outside.cell.Offline = offline
				fresh[offline] = strings.Join(outside.try(t, j), " ")
			}
			outside.supervisors = NewSupervisors(time.Hour, func(time.Duration) {})
			var pids []int
			for _, offline := range []bool{true, false, true} {
				outside.cell.Offline = offline
				if later := strings.Join(outside.try(t, j), " "); later != fresh[offline] {
					t.Errorf("offline %v: refused are %s, want %s", offline, later, fresh[offline])
				}
				pids = append(pids, outside.supervisors.idle.pid())
			}
			if pids[0] != pids[1] || pids[1] != pids[2] {
				t.Errorf("supervisors were %v, want one", pids)
			}
			if err := outside.supervisors.End(); err != nil {
				t.Error(err)
			}
		})
	}
}
