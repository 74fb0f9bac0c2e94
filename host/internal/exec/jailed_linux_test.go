package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/exec/jail"
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

// gone fails unless no process has the sign any more within the time.
func (s sign) gone(t *testing.T, within time.Duration) {
	t.Helper()
	s.file.SetReadDeadline(time.Now().Add(within))
	if _, err := io.Copy(io.Discard, s.file); err != nil {
		t.Error("a process is left:", err)
	}
}

// A process that leaves its group, its session and its parent dies with the program all the same.
func TestJailKeepsTheTreeTogether(t *testing.T) {
	for _, end := range []string{"exit", "kill", "close"} {
		t.Run(end, func(t *testing.T) {
			inJails(t, func(t *testing.T, j *jail.Jail) {
				dir := t.TempDir()
				s := newSign(t, dir)
				stray := `setsid sh -c "exec setsid sh -c 'exec 9>` + s.path + `; echo >&9; trap \"\" INT TERM HUP; while :; do sleep 1; done' & exit" >/dev/null 2>&1 & `
				script := stray + `while :; do sleep 0.05; done`
				if end == "exit" {
					script = stray + `sleep 1; exit 4`
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
				s.gone(t, time.Millisecond)
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
		"for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done":              "run /bin/sh: the limit of 5 processes and threads is reached (setting program_processes)",
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
		name, script string
		exitTimeout  string
		finishes     bool
	}{
		{name: "the program finishes", finishes: true, exitTimeout: "1m",
			script: `trap 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo working on it, and saying so at some length; done; echo end >finished; exit' INT; SIGN while :; do sleep 0.05; done`},
		{name: "the program does not care", exitTimeout: "1s",
			script: `trap '' INT; SIGN while :; do echo x; sleep 0.05; done`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			s := newSign(t, dir)
			lock := filepath.Join(dir, "lock")
			daemon := osexec.Command(os.Args[0])
			daemon.Env = append(os.Environ(), "EXEC_TEST_DAEMON="+strings.Join([]string{
				dir, lock, test.exitTimeout, strings.Replace(test.script, "SIGN", "exec 9>"+s.path+"; echo >&9; (exec setsid sleep 300) & ", 1)}, "\n"))
			daemon.Stderr = os.Stderr
			if err := daemon.Start(); err != nil {
				t.Fatal(err)
			}
			s.seen(t)
			daemon.Process.Kill()
			daemon.Wait()
			f, err := os.OpenFile(lock, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
				t.Error("the lock is free while the program runs:", err)
			}
			s.gone(t, 20*time.Second)
			if finished := fileExists(dir + "/finished"); finished != test.finishes {
				t.Errorf("finished: %v", finished)
			}
			if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
				t.Error(err)
			}
		})
	}
}

// beDaemon runs a program in a jail until it is killed.
func beDaemon(arguments string) {
	args := strings.SplitN(arguments, "\n", 4)
	err := func() error {
		lock, err := os.OpenFile(args[1], os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			return err
		}
		timeout, err := time.ParseDuration(args[2])
		if err != nil {
			return err
		}
		j, err := jail.New(jail.Options{})
		if err != nil {
			return err
		}
		p, err := Start(Program{Path: "/bin/sh", Args: []string{"-c", args[3]}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: args[0],
			Jail: j, Cell: jail.Cell{Write: []string{args[0]}}, Holds: []*os.File{lock}, ExitTimeout: timeout})
		if err != nil {
			return err
		}
		buf := make([]byte, 1000)
		for {
			if s, _, err := p.Read(context.Background(), buf, -1); err != nil || s == abi.Ended {
				return fmt.Errorf("the program has ended: %v", err)
			}
		}
	}()
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
