package jail

import (
	"errors"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Advice is about the machine at hand, and says nothing that would not help there.
func TestAdvice(t *testing.T) {
	refused := unix.EPERM
	for name, tt := range map[string]struct {
		machine      machine
		layer        Layer
		err          error
		want, reject []string
	}{
		"no user namespaces": {machine{release: "6.1.0", sysctls: map[string]string{"user.max_user_namespaces": "0"}}, ProcessTree, refused,
			[]string{"sysctl -w user.max_user_namespaces=15000 (it is 0)", "or run the daemon as root"}, []string{"container", "5.12"}},
		"Debian's switch": {machine{release: "5.10.0-9-amd64", sysctls: map[string]string{"kernel.unprivileged_userns_clone": "0"}}, Root, refused,
			[]string{"Linux 5.12 or later: this is 5.10.0-9-amd64", "sysctl -w kernel.unprivileged_userns_clone=1"}, nil},
		"AppArmor's": {machine{release: "6.8.0-31-generic", sysctls: map[string]string{"kernel.apparmor_restrict_unprivileged_userns": "1"}}, Network, refused,
			[]string{"sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"}, []string{"Linux"}},
		"root needs no user namespaces": {machine{release: "6.8.0", root: true, privileged: true, sysctls: map[string]string{"user.max_user_namespaces": "0"}}, IPC, refused,
			[]string{"CONFIG_IPC_NS"}, []string{"user.max", "as root"}},
		"root without rights does": {machine{release: "6.8.0", root: true, sysctls: map[string]string{"user.max_user_namespaces": "0"}}, IPC, refused,
			[]string{"user.max_user_namespaces"}, []string{"as root"}},
		"none of one kind": {machine{release: "6.8.0", root: true, privileged: true, sysctls: map[string]string{"user.max_net_namespaces": "0"}}, Network, refused,
			[]string{"sysctl -w user.max_net_namespaces=15000"}, nil},
		"first things first": {machine{release: "6.8.0", container: true, sysctls: map[string]string{"user.max_user_namespaces": "0"}}, Root, refused,
			[]string{"sysctl -w user.max_user_namespaces=15000"}, []string{"docker"}},
		"a container":                 {machine{release: "6.8.0", container: true}, Root, refused, []string{"--security-opt seccomp=unconfined", "Kubernetes"}, []string{"sysctl"}},
		"a service":                   {machine{release: "6.8.0", filtered: true}, Root, refused, []string{"RestrictNamespaces=no"}, []string{"docker"}},
		"switched off":                {machine{release: "6.8.0"}, Root, errNoNamespaces, []string{"allow namespaces again"}, []string{"root"}},
		"an old kernel":               {machine{release: "5.4.0"}, Landlock, unix.ENOSYS, []string{"Linux 5.19 or later", "this is 5.4.0"}, nil},
		"not started":                 {machine{release: "6.8.0", modules: "capability,yama"}, Landlock, unix.EOPNOTSUPP, []string{"lsm=landlock", "now it is capability,yama"}, nil},
		"not let through":             {machine{release: "6.8.0", container: true}, Landlock, unix.ENOSYS, []string{"landlock_restrict_self"}, []string{"lsm="}},
		"not built":                   {machine{release: "6.8.0"}, Landlock, unix.ENOSYS, []string{"CONFIG_SECURITY_LANDLOCK"}, []string{"profile"}},
		"no filters":                  {machine{release: "6.8.0"}, Seccomp, unix.EINVAL, []string{"CONFIG_SECCOMP_FILTER"}, []string{"profile"}},
		"a session of one's own":      {machine{release: "6.8.0"}, Cgroup, refused, []string{"systemd-run --user --pty -p Delegate=yes"}, []string{"docker"}},
		"no cgroups in a container":   {machine{release: "6.8.0", container: true, root: true}, Cgroup, refused, []string{"--cgroupns=private"}, []string{"systemd"}},
		"a release that says nothing": {machine{release: "strange"}, Root, refused, []string{"or run the daemon as root"}, []string{"5.12"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := tt.machine.advice(tt.layer, tt.err)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("got %q, want %q in it", got, want)
				}
			}
			for _, reject := range tt.reject {
				if strings.Contains(got, reject) {
					t.Errorf("got %q, which says %q", got, reject)
				}
			}
		})
	}
	for _, l := range Layers() {
		if thisMachine().advice(l, errors.New("some reason")) == "" {
			t.Errorf("there is no advice for %s", l)
		}
	}
}

// deprived is set for a test that runs where there may be no user namespaces.
const deprived = "PROVISOR_TEST_DEPRIVED"

// A machine that allows no user namespaces is made here by a user namespace that has none left to give: what is missing is reported,
// what is left holds, and the advice is what would help.
func TestWithoutUserNamespaces(t *testing.T) {
	if os.Getenv(deprived) != "" {
		checkDeprived(t)
		return
	}
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	test := filepath.Join(dir, "test")
	if err := os.WriteFile(test, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	// Who sets it has rights in the namespace, and is to have none after that.
	cmd := osexec.Command("/bin/sh", "-c", `echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all "$0" -test.v -test.run "^TestWithoutUserNamespaces$"`, test)
	cmd.Env = append(os.Environ(), deprived+"=1", "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	switch {
	case err != nil && !strings.Contains(string(out), "=== RUN"):
		t.Skip("such a machine can't be made here: ", err)
	case err != nil:
		t.Error(err)
	}
}

// filtered is set for a test that runs where a filter is on it already.
const filtered = "PROVISOR_TEST_FILTERED"

// In a container or a service whose filter lets nobody make namespaces, what is left is put up all the same, and the filter is named.
func TestUnderAFilter(t *testing.T) {
	if os.Getenv(filtered) != "" {
		checkFiltered(t)
		return
	}
	asBoth(t, testUnderAFilter)
}

func testUnderAFilter(t *testing.T) {
	o := newOutside(t)
	out, err := runIn(only(t, Options{}, Seccomp), Cell{Write: o.cell.Write}, []string{filtered + "=1", "TMPDIR=" + o.cell.Tmp}, nil,
		o.cell.Execute[0], "-test.v", "-test.run", "^TestUnderAFilter$")
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

func checkFiltered(t *testing.T) {
	m := thisMachine()
	if !m.filtered {
		t.Fatal("the filter is not seen")
	}
	j := newJail(t, Options{})
	trials, err := j.Trial()
	if err != nil {
		t.Fatal(err)
	}
	want := m.advice(Root, unix.EPERM)
	if !strings.Contains(want, "seccomp") {
		t.Errorf("the advice is %q", want)
	}
	for _, s := range j.Report() {
		t.Logf("%+v %+v", s, trials[s.Layer])
		if len(trials[s.Layer].Allowed) > 0 {
			t.Errorf("%s is %s, and the trial says %+v", s.Layer, s.State, trials[s.Layer])
		}
		switch s.Layer {
		case Root, IPC:
			if s.State != Missing || s.Fix != want {
				t.Errorf("%s is %s, to be had by %q", s.Layer, s.State, s.Fix)
			}
		case ProcessTree:
			if s.State != Partial || s.Fix != want {
				t.Errorf("%s is %s, to be had by %q", s.Layer, s.State, s.Fix)
			}
		case Seccomp, NoNewPrivileges, Capabilities, Limits, Network:
			if s.State != Enforced {
				t.Errorf("%s is %s: %s", s.Layer, s.State, s.How)
			}
		}
	}
}

func checkDeprived(t *testing.T) {
	required := []Layer{ProcessTree, Root, IPC}
	j, err := New(Options{Require: required})
	if err == nil {
		t.Fatal("all is there")
	}
	trials, trialErr := j.Trial()
	if trialErr != nil {
		t.Fatal(trialErr)
	}
	const fix = "sysctl -w user.max_user_namespaces=15000 (it is 0)"
	for _, s := range j.Report() {
		t.Logf("%+v %+v", s, trials[s.Layer])
		trial, tried := trials[s.Layer]
		if tried != (s.State == Enforced || s.State == Partial) || len(trial.Allowed) > 0 {
			t.Errorf("%s is %s, and the trial says %+v", s.Layer, s.State, trial)
		}
		if slices.Contains(required, s.Layer) && (s.State == Enforced || !strings.Contains(s.Fix, fix)) {
			t.Errorf("%s is %s, to be had by %q", s.Layer, s.State, s.Fix)
		}
		if want := string("layer " + s.Layer + " is required"); slices.Contains(required, s.Layer) != strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s in it", err, want)
		}
	}
	if !strings.Contains(err.Error(), fix) {
		t.Errorf("got %v, want %q in it", err, fix)
	}
}
