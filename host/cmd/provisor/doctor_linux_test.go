package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/provisor/provisor/host"
)

// nobody is a user without rights.
const nobody = 65534

// machine is where the program runs: as which user, and on what kind of machine.
type machine struct {
	t       *testing.T
	dir     string
	program string
	uid     int
	// deprived: there are no user namespaces to be had.
	deprived bool
}

// newMachine puts the program where the user gets to it.
func newMachine(t *testing.T, uid int) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "doctor")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &machine{t: t, dir: dir, program: filepath.Join(dir, "bin", "provisor"), uid: uid}
	binary, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.Mkdir(filepath.Dir(m.program), 0o755)
	}
	if err == nil {
		err = os.WriteFile(m.program, binary, 0o755)
	}
	if err == nil && uid != os.Getuid() {
		err = os.Chown(dir, uid, uid)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// run runs the program to its end.
func (m *machine) run(args ...string) (stdout, stderr string, code int) {
	m.t.Helper()
	cmd := exec.Command(m.program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if m.uid != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(m.uid), Gid: uint32(m.uid)}
	}
	if m.deprived {
		// Who sets it has rights in the namespace, and is to have none after that.
		const script = `echo 0 >/proc/sys/user/max_user_namespaces || exit 99; exec setpriv --bounding-set=-all --inh-caps=-all "$0" "$@"`
		cmd = exec.Command("/bin/sh", append([]string{"-c", script, m.program}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
	cmd.Dir = m.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + m.dir, "TMPDIR=" + m.dir, "XDG_RUNTIME_DIR=" + m.dir, "PROVISOR_CACHE_DIR=" + filepath.Join(m.dir, "cache")}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if cmd.ProcessState == nil || m.deprived && (cmd.ProcessState.ExitCode() == 99 || cmd.ProcessState.ExitCode() == 127) {
		m.t.Skipf("such a machine can't be made here: %v %s", err, &said)
	}
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}

// doctor is what the doctor says.
func (m *machine) doctor(code int, args ...string) diagnosis {
	m.t.Helper()
	out, said, got := m.run(append([]string{"doctor", "--json"}, args...)...)
	m.t.Logf("%s%s", out, said)
	if got != code {
		m.t.Fatalf("exit code %d, want %d", got, code)
	}
	var d diagnosis
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		m.t.Fatal(err)
	}
	if d.OK != (code == 0) || len(d.Jail) != len(host.JailLayers()) {
		m.t.Errorf("ok is %v, there are %d layers", d.OK, len(d.Jail))
	}
	return d
}

// The doctor says the same of the machine as the runtime does that is made there, as root and as somebody else.
func TestDoctor(t *testing.T) {
	users := []int{os.Getuid()}
	if os.Getuid() == 0 {
		users = append(users, nobody)
	}
	for _, uid := range users {
		t.Run(fmt.Sprint("user ", uid), func(t *testing.T) {
			m := newMachine(t, uid)
			d := m.doctor(0)
			if d.UID != uid {
				t.Errorf("it is user %d", d.UID)
			}
			for i, l := range d.Jail {
				unasked := l.State == "disabled" && l.Layer.Layer == "uid" // nobody has given a range
				if l.Layer.Layer != string(host.JailLayers()[i]) || len(l.Allowed) > 0 || !unasked && (l.State == "enforced") == (l.State == "missing") {
					t.Errorf("got %+v", l)
				}
				if l.State != "enforced" && l.Fix == "" {
					t.Errorf("there is no advice for %+v", l)
				}
			}
			// Each layer that it finds can be required, and each that it doesn't find can't.
			for _, l := range d.Jail {
				code := 1
				if l.State == "enforced" {
					code = 0
				}
				if l.State == "enforced" && l.Layer.Layer != "landlock" {
					continue // one is enough
				}
				m.doctor(code, "--jail-require", l.Layer.Layer)
			}
			withUsers := 1
			if uid == 0 {
				withUsers = 0
			}
			m.doctor(withUsers, "--jail-require", "uid", "--jail-uids", "212000-212009")
			if out, _, code := m.run("doctor"); code != 0 || !strings.Contains(out, "a daemon can work here") || strings.Contains(out, "\x1b") {
				t.Errorf("exit code %d:\n%s", code, out)
			}
		})
	}
}

// Where a layer is missing, the doctor says how to get it; where it is required, a daemon does not start, and says the same.
func TestRequiredAndMissing(t *testing.T) {
	m := newMachine(t, os.Getuid())
	m.deprived = true
	d := m.doctor(0)
	fix := ""
	for _, l := range d.Jail {
		if l.Layer.Layer == "root" {
			fix = l.Fix
		}
	}
	if want := "sysctl -w user.max_user_namespaces=15000 (it is 0)"; !strings.Contains(fix, want) {
		t.Errorf("the advice is %q, want %q in it", fix, want)
	}
	check := func(said string, code int) {
		t.Helper()
		if want := "layer root is required, but missing: "; code != 1 || !strings.Contains(said, want) || !strings.Contains(said, fix) {
			t.Errorf("exit code %d: %s; want %q and the doctor's advice", code, said, want)
		}
	}
	m.doctor(1, "--jail-require", "landlock", "--jail-require", "root")
	out, _, code := m.run("doctor", "--jail-require", "root")
	if !strings.Contains(out, "required; ") || !strings.Contains(out, "a daemon can't work here for: layer root") || code != 1 {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	_, said, code := m.run("serve", "--jail-require", "landlock", "--jail-require", "root")
	check(said, code)
	if strings.Contains(said, "landlock") {
		t.Errorf("landlock is there: %s", said)
	}
	for name, source := range map[string]string{
		"all.hcl": "jail {\n  require = [\"root\", \"landlock\"]\n}\n",
		"own.hcl": "engine \"mine\" {\n  jail {\n    require = [\"root\"]\n  }\n}\n",
	} {
		file := filepath.Join(m.dir, name)
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		m.doctor(1, "--config", file)
		_, said, code := m.run("serve", "--config", file)
		check(said, code)
	}
	// The same where there is no engine yet, but Go to build one.
	compiler, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(compiler)+":/usr/bin:/bin")
	m.doctor(1, "--config", filepath.Join(m.dir, "own.hcl"))
	if _, err := os.Stat(filepath.Join(m.dir, "provisor", "provisor.sock")); err == nil {
		t.Error("it has listened")
	}
}
