package jail

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host/internal/exec/jail/supervisor/attempt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nobody is the user that tests run as a second time where they are root's.
const nobody = 65534

// asBoth runs a test as the user that runs it, and where that is root, once more as a user without rights.
func asBoth(t *testing.T, test func(t *testing.T)) {
	if os.Getuid() != 0 {
		test(t)
		return
	}
	t.Run("root", test)
	t.Run("unprivileged", func(t *testing.T) {
		// What is built for a test lies where only root gets to.
		dir, err := os.MkdirTemp("", "nobody")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		binary, err := os.ReadFile("/proc/self/exe")
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "test"), binary, 0o755)
		}
		if err == nil {
			err = os.Chmod(dir, 0o755)
		}
		if err == nil {
			err = os.Mkdir(filepath.Join(dir, "tmp"), 0o700)
		}
		if err == nil {
			err = os.Chown(filepath.Join(dir, "tmp"), nobody, nobody)
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(t.Name(), "/unprivileged")
		cmd := osexec.Command(filepath.Join(dir, "test"), "-test.v", "-test.run", "^"+name+"$")
		cmd.Dir, cmd.Env = filepath.Join(dir, "tmp"), append(os.Environ(), "TMPDIR="+filepath.Join(dir, "tmp"), "HOME="+dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Error(err)
		}
	})
}

// outside is what a program must not reach.
type outside struct {
	cell     Cell
	dir      string
	attempts []string
	// supervisors, if not nil, may have one for the next to try.
	supervisors *Supervisors
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := &outside{dir: t.TempDir()}
	if err := os.Chmod(o.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	own := t.TempDir()
	o.cell = Cell{Execute: []string{exe}, Write: []string{own}, Tmp: own, FileSize: 1 << 20, Memory: tryMemory, Processes: tryProcesses}
	secret := filepath.Join(o.dir, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	port := listen(t, "tcp", "127.0.0.1:0").Addr().(*net.TCPAddr).Port
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close() })
	abstract := "@provisor-" + filepath.Base(filepath.Dir(o.dir))
	listen(t, "unix", abstract)
	listen(t, "unix", filepath.Join(o.dir, "socket"))
	memory, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.SysvShmCtl(memory, unix.IPC_RMID, nil) })
	// One that is passed on by mistake: without close-on-exec.
	leaked, err := unix.Open(secret, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(leaked) })
	o.attempts = []string{
		"read=" + secret, "stat=" + secret, "chmod=" + secret, "touch=" + secret, "write=" + filepath.Join(o.dir, "new"), "list=" + o.dir,
		fmt.Sprint("signal=", os.Getpid()), fmt.Sprint("environment=", os.Getpid()),
		"unix-socket=" + filepath.Join(o.dir, "socket"), "unix-socket=" + abstract, fmt.Sprint("shared-memory=", memory),
		fmt.Sprint("tcp=", port), fmt.Sprint("udp=", packets.LocalAddr().(*net.UDPAddr).Port),
		"ptrace", "keyring", "io-uring", "clone3", "vsock", "user-namespace",
		"bounding-set", "new-privileges", "core-dump", fmt.Sprint("open-files=", openFiles), "processes=1000", fmt.Sprint("memory-flood=", 2*tryMemory), fmt.Sprint("process-flood=", tryProcesses+1), fmt.Sprint("descriptor=", leaked),
		fmt.Sprint("same-user=", os.Getuid()), "capabilities",
	}
	if os.Getuid() == 0 {
		theirs := filepath.Join(own, "theirs")
		if err := os.WriteFile(theirs, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		o.attempts = append(o.attempts, "chown="+theirs)
	}
	return o
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// give makes a directory another user's, who gets there.
func give(t *testing.T, dir string, user int) {
	t.Helper()
	if err := os.Chown(dir, user, user); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
}

// try makes the attempts in a jail, and returns those that were refused.
func (o *outside) try(t *testing.T, j *Jail) (refused []string) {
	t.Helper()
	program := o.cell.Execute[0]
	if j.Users() {
		program, o.cell.User = self, j.options.User
		give(t, o.cell.Write[0], o.cell.User)
	}
	out, err := runIn(j, o.cell, nil, o.supervisors, program, append([]string{attempt.Name}, o.attempts...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := bufio.NewScanner(strings.NewReader(out))
	n := 0
	for ; lines.Scan(); n++ {
		var outcome attempt.Outcome
		if err := json.Unmarshal(lines.Bytes(), &outcome); err != nil {
			t.Fatal(err)
		}
		name := outcome.Attempt
		if strings.HasPrefix(o.attempts[n], "unix-socket=@") {
			name = "abstract-socket"
		}
		if outcome.Refused != "" {
			t.Logf("%s: %s", name, outcome.Refused)
			refused = append(refused, name)
		}
	}
	if n != len(o.attempts) {
		t.Fatalf("%d of %d attempts were made", n, len(o.attempts))
	}
	return refused
}

// run runs a program in a jail to its end.
func run(j *Jail, cell Cell, path string, args ...string) (string, error) {
	return runIn(j, cell, nil, nil, path, args...)
}

// runIn is run with more of an environment, and supervisors that may be kept.
func runIn(j *Jail, cell Cell, env []string, kept *Supervisors, path string, args ...string) (string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	env = append(env, "PATH=/usr/bin:/bin", "GORACE=atexit_sleep_ms=0") // the program may be this one, with the race detector
	p, err := j.Start(Command{Path: path, Args: args, Env: env, Dir: cell.Write[0], Cell: cell, Stdout: w, Stderr: w, ExitTimeout: time.Second, Supervisors: kept})
	w.Close()
	if err != nil {
		return "", err
	}
	out, readErr := io.ReadAll(r)
	exit, err := p.AwaitExit()
	if finishErr := p.Finish(); err == nil {
		err = finishErr
	}
	if err == nil && exit.Status != 0 {
		err = fmt.Errorf("status %#x", uint32(exit.Status))
	}
	if err == nil {
		err = readErr
	}
	return string(out), err
}

// only is a jail with those layers and no others.
func only(t *testing.T, o Options, layers ...Layer) *Jail {
	t.Helper()
	for _, l := range Layers() {
		if !slices.Contains(layers, l) {
			o.Disable = append(o.Disable, l)
		}
	}
	j, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range j.Report() {
		if slices.Contains(layers, s.Layer) && s.State != Enforced {
			t.Skipf("%s is %s here: %s; %s", s.Layer, s.State, s.How, s.Fix)
		}
	}
	return j
}

// Each layer alone stops what it is for, and nothing else.
func TestLayersAlone(t *testing.T) { asBoth(t, testLayersAlone) }

func testLayersAlone(t *testing.T) {
	root := os.Getuid() == 0
	files := []string{"read", "write", "list"}
	seccomp := []string{"ptrace", "keyring", "io-uring", "clone3", "vsock", "user-namespace"}
	// What comes with a namespace made by a user who is not root: the program is in another user namespace than the daemon.
	inUserNamespace := func(more ...string) []string {
		if root {
			return more
		}
		return append(more, "environment", "bounding-set")
	}
	asRoot := func(names ...string) []string {
		if root {
			return names
		}
		return nil
	}
	tests := []struct {
		layer   Layer
		offline bool
		options Options
		refuses []string
		// either is what some kernels refuse and others don't.
		either []string
	}{
		{layer: ProcessTree, refuses: inUserNamespace("signal")},
		{layer: Root, refuses: inUserNamespace(append(files, "stat", "chmod", "touch", "unix-socket")...)},
		{layer: Landlock, refuses: append(files, "signal", "abstract-socket", "new-privileges"), either: []string{"environment"}}, // with CAP_PERFMON, newer kernels allow that
		{layer: Seccomp, refuses: append(seccomp, "new-privileges")},
		{layer: NoNewPrivileges, refuses: []string{"new-privileges"}},
		{layer: Capabilities, refuses: asRoot("capabilities", "bounding-set", "environment", "chown")},
		{layer: User, options: Options{User: 212345}, refuses: append(files, "stat", "chmod", "touch", "unix-socket", "signal", "environment", "shared-memory", "same-user", "capabilities", "chown")},
		{layer: Limits, refuses: []string{"core-dump", "open-files"}},
		{layer: Cgroup, refuses: []string{"memory-flood", "process-flood"}},
		{layer: Network},
		{layer: Network, offline: true, refuses: inUserNamespace("tcp", "udp", "abstract-socket")},
		{layer: Network, offline: true, options: Options{NoNamespaces: true}, refuses: []string{"tcp", "udp", "vsock", "io-uring", "new-privileges"}},
		{layer: IPC, refuses: inUserNamespace("shared-memory")},
	}
	always := []string{"descriptor"}
	if !root {
		always = append(always, "capabilities")
	}
	for _, test := range tests {
		name := string(test.layer)
		if test.offline {
			name += " offline"
		}
		if test.options.NoNamespaces {
			name += " without namespaces"
		}
		t.Run(name, func(t *testing.T) {
			o := newOutside(t)
			o.cell.Offline = test.offline
			j := only(t, test.options, test.layer)
			got := slices.DeleteFunc(o.try(t, j), func(name string) bool { return slices.Contains(test.either, name) })
			compare(t, append(test.refuses, always...), got)
			if test.layer != Network || test.offline {
				checkTrial(t, j, test.layer, got)
			}
		})
	}
	t.Run("all", func(t *testing.T) {
		o := newOutside(t)
		o.cell.Offline = true
		j, err := New(Options{User: 212345})
		if err != nil {
			t.Fatal(err)
		}
		got := o.try(t, j)
		want := slices.Concat(files, seccomp, always, []string{
			"stat", "chmod", "touch", "unix-socket", "signal", "environment", "abstract-socket", "shared-memory", "tcp", "udp", "new-privileges",
			"capabilities", "bounding-set", "core-dump", "open-files"})
		if root {
			want = append(want, "chown", "same-user")
		} else {
			want = append(want, "processes", "process-flood")
		}
		if j.works[Cgroup] {
			want = append(want, "memory-flood", "process-flood")
		}
		compare(t, want, got)
	})
}

// checkTrial sees that an operator is told of a layer what holds, and nothing else.
func checkTrial(t *testing.T, j *Jail, l Layer, refused []string) {
	t.Helper()
	trials, err := j.Trial()
	if err != nil {
		t.Fatal(err)
	}
	trial := trials[l]
	t.Logf("%+v", trial)
	if len(trials) != 1 || len(trial.Allowed) > 0 {
		t.Errorf("the trial of %s says %+v", l, trials)
	}
	if slices.Contains(trial.Refused, "capabilities") != (l == Capabilities && os.Getuid() == 0) || len(trial.Refused) == 0 && l != Capabilities {
		t.Errorf("the trial of %s shows %v", l, trial.Refused)
	}
	for _, r := range trial.Refused {
		if r != leave && !slices.Contains(refused, r) {
			t.Errorf("the trial of %s finds %s refused, which it is not", l, r)
		}
	}
}

// There is something to try of each layer.
func TestTrialOfEach(t *testing.T) {
	j := newJail(t, Options{})
	for _, l := range Layers() {
		if len(j.attempts(l)) == 0 {
			t.Errorf("nothing is tried of %s", l)
		}
	}
}

// What does not hold is told as well.
func TestTrialOfNothing(t *testing.T) {
	b, err := newBait()
	if err != nil {
		t.Fatal(err)
	}
	defer b.remove()
	j := newJail(t, Options{})
	want := j.attempts(Layers()...)
	trial, err := b.try(j.alone(), want)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", trial)
	for _, a := range []string{"read", "write", "list", "signal", "abstract-socket", "tcp", "udp", "new-privileges", "ptrace"} {
		if slices.Contains(want, a) && !slices.Contains(trial.Allowed, a) {
			t.Errorf("%s is refused without a jail", a)
		}
	}
	if n := len(trial.Allowed) + len(trial.Refused); n != len(want) {
		t.Errorf("%d of %d attempts were made", n, len(want))
	}
}

// compare compares two sets.
func compare(t *testing.T, want, got []string) {
	t.Helper()
	want, got = slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))
	want, got = slices.Compact(want), slices.Compact(got)
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%s is not refused", w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("%s is refused", g)
		}
	}
}
