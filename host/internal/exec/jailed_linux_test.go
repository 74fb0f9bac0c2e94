package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/exec/jail"
	"github.com/provisor/provisor/host/internal/exec/jail/supervisor"
	"github.com/provisor/provisor/host/internal/workdir/recovery/copies"
)

// underJail is the jail of the programs that shell makes; nil = none.
var underJail *jail.Jail

// TestInJail runs in a jail what holds without one as well.
func TestInJail(t *testing.T) {
	inJails(t, func(t *testing.T, j *jail.Jail) {
		underJail = j
		defer func() { underJail = nil }()
		for name, test := range map[string]func(*testing.T){
			"exit": TestExit, "close": TestCloseEndsWhatRuns, "errors": TestStartErrors,
			"order": TestEachStreamKeepsItsOrder, "slow reader": TestProgramWaitsForItsReader, "read timeout": TestReadTimeout,
			"stdin": TestStdin, "stdin unread": TestStdinThatNobodyReads, "output limit": TestOutputLimit,
		} {
			t.Run(name, test)
		}
		t.Run("many", TestManyAtOnce)
	})
}

// inJails runs a test in a jail with everything, and in one without namespaces.
func inJails(t *testing.T, test func(*testing.T, *jail.Jail)) {
	for name, o := range map[string]jail.Options{"everything": {}, "no namespaces": {NoNamespaces: true}} {
		t.Run(name, func(t *testing.T) {
			j, err := jail.New(o)
			if err != nil {
				t.Fatal(err)
			}
			test(t, j)
		})
	}
}

// The processor time of a supervisor is told apart from that of its program, and of what the program leaves to be killed.
func TestSupervisorCPU(t *testing.T) {
	inJails(t, func(t *testing.T, j *jail.Jail) {
		const busy = "i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done"
		p := Program{Path: "/bin/sh", Args: []string{"-c", "(" + busy + "; : >left; sleep 600) & " + busy + "; : >own; wait $!"}, Dir: t.TempDir(), Jail: j, ExitTimeout: time.Millisecond}
		var own time.Duration
		p.Cell.Write, p.Supervisors = []string{p.Dir}, jail.NewSupervisors(time.Minute, func(cpu time.Duration) { own += cpu })
		var before, after unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &before); err != nil {
			t.Fatal(err)
		}
		pr, err := Start(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"left", "own"} {
			if !daemontest.Soon(func() bool { _, err := os.Stat(filepath.Join(p.Dir, name)); return err == nil }) {
				t.Error("the program does not come to:", name)
			}
		}
		if err := pr.Close(); err != nil {
			t.Fatal(err)
		}
		if err := p.Supervisors.End(); err != nil {
			t.Fatal(err)
		}
		if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &after); err != nil {
			t.Fatal(err)
		}
		all := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
		if own <= 0 || own > all/3 {
			t.Errorf("the supervisor took %v of %v", own, all)
		}
	})
}

// sign shows whether a process lives, which need not have an id that is known here: it holds the sign's file open for writing.
type sign struct {
	path string
	file *os.File
}

func newSign(t *testing.T, dir string) sign {
	t.Helper()
	path := filepath.Join(dir, "sign")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return sign{path, f}
}

// seen waits until a process has the sign.
func (s sign) seen(t *testing.T) {
	t.Helper()
	b := make([]byte, 1)
	for range 2000 {
		if n, _ := s.file.Read(b); n == 1 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no process took the sign")
}

// gone fails unless no process has the sign any more within the time. It looks at least once, however late it is.
func (s sign) gone(t *testing.T, within time.Duration) {
	t.Helper()
	conn, err := s.file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	for end := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		n := 0
		if connErr := conn.Read(func(fd uintptr) bool { n, err = syscall.Read(int(fd), b); return true }); connErr != nil {
			t.Fatal(connErr)
		}
		switch {
		case n == 0 && err == nil: // nobody has it open for writing
			return
		case n < 0 && !errors.Is(err, syscall.EAGAIN):
			t.Fatal(err)
		case n < 0 && time.Now().After(end):
			t.Error("a process is left")
			return
		}
	}
}

// Waiting for output takes no thread, and can be ended: os/exec makes files block that it passes on, and the supervisor gets these.
func TestJailLeavesOutputNonBlocking(t *testing.T) {
	inJails(t, func(t *testing.T, j *jail.Jail) {
		p := start(t, shell(t, "exec sleep 1000", func(p *Program) { p.Jail = j }))
		for _, o := range p.outputs {
			conn, err := o.pipe.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			if err := conn.Control(func(fd uintptr) {
				if flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
					t.Errorf("stream %v has the flags %#x, %v", o.stream, flags, err)
				}
			}); err != nil {
				t.Error(err)
			}
		}
		if err := p.Kill(""); err != nil {
			t.Error(err)
		}
	})
}

// A process that leaves its group, its session and its parent dies with the program all the same.
func TestJailKeepsTheTreeTogether(t *testing.T) {
	for _, end := range []string{"exit", "kill", "close"} {
		t.Run(end, func(t *testing.T) {
			inJails(t, func(t *testing.T, j *jail.Jail) {
				dir := t.TempDir()
				s := newSign(t, dir)
				stray := `setsid sh -c "exec setsid sh -c 'exec 9>` + s.path + `; echo >&9; trap \"\" INT TERM HUP; : >there; while :; do sleep 1; done' & exit" >/dev/null 2>&1 & `
				script := stray + `while :; do sleep 0.05; done`
				if end == "exit" {
					script = stray + `until [ -e there ]; do sleep 0.05; done; exit 4`
				}
				p := start(t, shell(t, script, func(p *Program) {
					p.Jail, p.ExitTimeout, p.Cell.Write = j, time.Second, append(p.Cell.Write, dir)
				}))
				s.seen(t)
				switch end {
				case "kill":
					if err := p.Kill("deadline"); err != nil {
						t.Error(err)
					}
				case "close":
					if err := p.Close(); err != nil {
						t.Error(err)
					}
				}
				r := wait(t, p)
				s.gone(t, 0)
				if end == "exit" && r.ExitCode != 4 || end != "exit" && r.Signal != "killed" && r.Signal != "interrupt" {
					t.Errorf("got %v", r)
				}
			})
		})
	}
}

// A limit that a program has hit is told with its value and its setting, before its end is.
func TestLimitsOfAJail(t *testing.T) {
	j, err := jail.New(jail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range j.Report() {
		if s.Layer == jail.Cgroup && s.State != jail.Enforced {
			t.Skip("no cgroups: ", s.How)
		}
	}
	for script, want := range map[string]string{
		"head -c 100000000 /dev/zero | tail -c 100000000 >/dev/null": "run /bin/sh: the limit of 33554432 bytes of memory is reached (setting program_memory_bytes)",
		"for i in 1 2 3 4 5 6 7 8 9; do sleep 100 & done":            "run /bin/sh: the limit of 5 processes and threads is reached (setting program_processes)",
		"sleep 0.1": "<nil>",
	} {
		var hit error
		p := start(t, shell(t, script, func(p *Program) {
			p.Jail, p.Cell.Memory, p.Cell.Processes, p.LimitHit = j, 32<<20, 5, func(err error) { hit = err }
		}))
		wait(t, p)
		if got := fmt.Sprint(hit); got != want || hit != nil && abi.ErrnoOf(hit) != abi.Limit {
			t.Errorf("%s: got %s, want %s", script, got, want)
		}
	}
}

// A program can write and end in its own time after the daemon has died; the lock is held until then.
func TestDaemonDies(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for exit timeouts")
	}
	tests := []struct {
		name, before, script string
		exitTimeout          time.Duration
		finishes             bool
	}{
		{name: "the program finishes", finishes: true, exitTimeout: time.Minute,
			script: `trap 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo working on it, and saying so at some length; done; echo end >finished; exit' INT; SIGN while :; do sleep 0.05; done`},
		{name: "the program is its supervisor's second", before: "exit 3", finishes: true, exitTimeout: time.Minute,
			script: `trap 'echo end >finished; exit' INT; SIGN while :; do sleep 0.05; done`},
		{name: "the program does not care", exitTimeout: time.Second,
			script: `trap '' INT; SIGN while :; do echo x; sleep 0.05; done`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			s := newSign(t, dir)
			lock := filepath.Join(dir, "lock")
			daemon := startDaemon(t, testDaemon{
				Dir: dir, Lock: lock, ExitTimeout: test.exitTimeout, Before: test.before,
				Script: strings.Replace(test.script, "SIGN", "exec 9>"+s.path+"; echo >&9; (exec setsid sleep 300) & ", 1),
			})
			s.seen(t)
			daemon.Process.Kill()
			daemon.Wait()
			f, err := os.OpenFile(lock, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
			case err == nil:
				s.gone(t, 0) // only then may the lock be free
			case !errors.Is(err, syscall.EWOULDBLOCK):
				t.Error(err)
			}
			s.gone(t, daemontest.Patience)
			if finished := fileExists(dir + "/finished"); finished != test.finishes {
				t.Errorf("finished: %v", finished)
			}
			if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
				t.Error(err)
			}
		})
	}
}

// A supervisor that is kept ends when the daemon has died.
func TestDaemonDiesBetweenPrograms(t *testing.T) {
	d := testDaemon{Dir: t.TempDir(), Before: "exit"}
	daemon := startDaemon(t, d)
	if !daemontest.Soon(func() bool { return fileExists(filepath.Join(d.Dir, "between")) }) {
		t.Error("the program does not end")
	}
	kept := supervisor.Descendants(daemon.Process.Pid)
	var fds []unix.PollFd
	for _, pid := range kept {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	daemon.Process.Kill()
	daemon.Wait()
	if len(fds) != 1 {
		t.Fatalf("the daemon has the processes %v, want one", kept)
	}
	if !daemontest.Soon(func() bool { n, _ := unix.Poll(fds, 0); return n == 1 }) {
		t.Error("the supervisor stays")
	}
}

// A state that an engine has written wholly is not lost when its daemon has died, whatever the engine does with the file afterwards.
func TestDaemonDiesInAnApply(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for exit timeouts")
	}
	const (
		finishes = `i=0; while [ $i -lt 20 ]; do i=$((i+1)); sleep 0.05; done; printf '{"serial":3}' >state`
		writes   = `printf '{"serial":2}' >state; until [ -e copied ]; do sleep 0.05; done; `
		goesOn   = `while :; do sleep 0.05; done`
	)
	tests := []struct {
		name string
		// then is what the engine does once its daemon is dead, and onInterrupt what else when it is interrupted.
		then, onInterrupt string
		exitTimeout       time.Duration
		// interrupted is how often it is, and before says that the first time was the daemon's.
		interrupted string
		before      bool
		want        string
	}{
		{name: "it may finish", then: finishes, exitTimeout: time.Minute, want: `{"serial":3}`},
		{name: "it empties the file at its end", then: writes + ": >state", exitTimeout: time.Minute, want: `{"serial":2}`},
		{name: "it is killed while it writes", then: writes + `printf '{"ser' >state; ` + goesOn, exitTimeout: 2 * time.Second, interrupted: "x", want: `{"serial":2}`},
		{name: "it leaves a FIFO", then: writes + "rm state; mkfifo state", exitTimeout: time.Minute, want: `{"serial":2}`},
		{name: "it leaves a link", then: writes + "rm state; echo '{}' >other; ln -s other state", exitTimeout: time.Minute, want: `{"serial":2}`},
		{name: "it writes nothing", then: goesOn, onInterrupt: "exit", exitTimeout: 2 * time.Second, interrupted: "x", want: `{"serial":1}`},
		{name: "it was interrupted before", then: finishes, exitTimeout: time.Minute, interrupted: "x", before: true, want: `{"serial":3}`},
	}
	kinds := map[string]testDaemon{"everything": {}, "no namespaces": {Options: jail.Options{NoNamespaces: true}}}
	if os.Getuid() == 0 {
		kinds["another user"] = testDaemon{Options: jail.Options{User: 212345}}
	}
	for kind, d := range kinds {
		for i, test := range tests {
			if kind != "everything" && i > 1 {
				break // what the rest depends on is the same
			}
			t.Run(kind+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				d := d
				var record string
				d.Dir, record = t.TempDir(), t.TempDir()
				d.Lock = filepath.Join(t.TempDir(), "lock")
				s := newSign(t, d.Dir)
				if user := d.Options.User; user != 0 {
					for _, path := range []string{d.Dir, s.path} {
						if err := os.Chown(path, user, user); err != nil {
							t.Fatal(err)
						}
					}
				}
				d.Keep = &jail.Keep{Work: d.Dir, Dir: record, Files: []string{"state"}}
				d.ExitTimeout, d.Interrupt = test.exitTimeout, test.before
				d.Script = `exec 9>` + s.path + `; printf '{"serial":1}' >state; trap 'printf x >>interrupted; echo >&9; ` + test.onInterrupt + `' INT
echo ready; echo >&9; until [ -e dead ]; do sleep 0.05; done; ` + test.then
				daemon := startDaemon(t, d)
				s.seen(t)
				if test.before {
					s.seen(t)
				}
				daemon.Process.Kill()
				daemon.Wait()
				touch(t, filepath.Join(d.Dir, "dead"))
				if strings.HasPrefix(test.then, writes) {
					daemontest.Soon(func() bool {
						states, err := copies.List(record)
						if err != nil || len(states) == 0 {
							return false
						}
						state, err := states[0].Read()
						return err == nil && string(state) == `{"serial":2}`
					})
					touch(t, filepath.Join(d.Dir, "copied"))
				}
				s.gone(t, daemontest.Patience)
				locked(t, d.Lock)
				if got, _ := os.ReadFile(filepath.Join(d.Dir, "interrupted")); string(got) != test.interrupted {
					t.Errorf("interrupts: %q, want %q", got, test.interrupted)
				}
				states, err := copies.List(record)
				if err != nil || len(states) != 1 {
					t.Fatalf("copies: %v, %v; want one", states, err)
				}
				if got, err := states[0].Read(); err != nil || string(got) != test.want {
					t.Errorf("the copy is %s, %v; want %s", got, err, test.want)
				}
			})
		}
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// An apply whose states could not be kept does not begin.
func TestNowhereToKeepStates(t *testing.T) {
	inJails(t, func(t *testing.T, j *jail.Jail) {
		none := filepath.Join(t.TempDir(), "none")
		p, err := Start(shell(t, "touch ran", func(p *Program) {
			p.Jail, p.Keep = j, &jail.Keep{Work: p.Dir, Dir: none, Files: []string{"state"}}
		}))
		if err == nil {
			p.Close()
		}
		if err == nil || !strings.Contains(err.Error(), none) {
			t.Errorf("got %v, want an error that names the directory", err)
		}
	})
}

// locked waits for the lock, which a supervisor holds until its end.
func locked(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
}

// A program that was interrupted is not interrupted once more when it is closed.
func TestCloseInterruptsOnce(t *testing.T) {
	inJails(t, func(t *testing.T, j *jail.Jail) {
		dir := t.TempDir()
		s := newSign(t, dir)
		p := start(t, shell(t, `exec 9>`+s.path+`; trap 'printf x >>interrupted; echo >&9' INT; echo >&9
until [ -e interrupted ]; do sleep 0.05; done; i=0; while [ $i -lt 10 ]; do i=$((i+1)); sleep 0.05; done`, func(p *Program) { p.Jail, p.Dir, p.Cell.Write = j, dir, []string{dir} }))
		s.seen(t)
		if err := p.Interrupt(); err != nil {
			t.Error(err)
		}
		s.seen(t)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "interrupted")); string(got) != "x" {
			t.Errorf("interrupts: %q, %v", got, err)
		}
	})
}

// testDaemon is a process that runs a program in a jail until it is killed.
type testDaemon struct {
	Dir         string
	Lock        string
	ExitTimeout time.Duration
	Script      string
	Options     jail.Options
	Keep        *jail.Keep
	// Before is the script of a program whose supervisor is kept for the other; without that, the daemon makes the file "between" and waits.
	Before string
	// Interrupt interrupts the program once it has written something.
	Interrupt bool
}

func startDaemon(t *testing.T, d testDaemon) *osexec.Cmd {
	t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	daemon := osexec.Command(os.Args[0])
	daemon.Env = append(os.Environ(), "EXEC_TEST_DAEMON="+string(b))
	daemon.Stderr = os.Stderr
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	return daemon
}

// beDaemon is the process of a testDaemon.
func beDaemon(arguments string) {
	err := func() error {
		var d testDaemon
		if err := json.Unmarshal([]byte(arguments), &d); err != nil {
			return err
		}
		var holds []*os.File
		if d.Lock != "" {
			lock, err := os.OpenFile(d.Lock, os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				return err
			}
			if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
				return err
			}
			holds = append(holds, lock)
		}
		j, err := jail.New(d.Options)
		if err != nil {
			return err
		}
		program := Program{Path: "/bin/sh", Args: []string{"-c", d.Before}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: d.Dir,
			Jail: j, Cell: jail.Cell{Write: []string{d.Dir}, User: d.Options.User}, Keep: d.Keep, ExitTimeout: d.ExitTimeout}
		if d.Before != "" {
			program.Supervisors = jail.NewSupervisors(time.Hour, func(time.Duration) {})
			p, err := Start(program)
			if err != nil {
				return err
			}
			if _, err := p.Wait(context.Background()); err != nil {
				return err
			}
		}
		if d.Script == "" {
			if err := os.WriteFile(filepath.Join(d.Dir, "between"), nil, 0o600); err != nil {
				return err
			}
			select {}
		}
		program.Args[1], program.Holds = d.Script, holds
		p, err := Start(program)
		if err != nil {
			return err
		}
		buf := make([]byte, 1000)
		for {
			s, _, err := p.Read(context.Background(), buf, -1)
			if err != nil || s == abi.Ended {
				return fmt.Errorf("the program has ended: %v", err)
			}
			if d.Interrupt {
				d.Interrupt = false
				if err := p.Interrupt(); err != nil {
					return err
				}
			}
		}
	}()
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
