package attack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/server"
	wt "github.com/provisor/provisor/host/internal/wasmtest"
	"github.com/provisor/provisor/proto/guestpb"
)

const byGrant = "A plugin gets what its manifest asks for and the operator grants, by logical names: errno 2"

// redirecting are variables that say what a program reads, which code it loads, or where it writes.
var redirecting = []string{
	"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "PATH", "HOME", "PWD", "TMPDIR", "SHELL", "IFS", "ENV", "BASH_ENV", "XDG_CONFIG_HOME",
	"GODEBUG", "SSL_CERT_FILE", "GIT_SSH_COMMAND", "GIT_CONFIG_GLOBAL", "PYTHONPATH", "NODE_OPTIONS", "HTTPS_PROXY",
	"TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG", "TOFU_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR", "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE",
	"TF_CLI_ARGS", "TF_CLI_ARGS_plan", "TF_DATA_DIR", "TF_WORKSPACE", "TF_REATTACH_PROVIDERS", "TF_LOG_PATH", "TF_TEMP_LOG_PATH", "TF_INPUT",
}

func programs() []attack {
	return []attack{
		denied("a program that is not granted", "Runs `sh`, `tofu`, `Terraform` and the empty name", byGrant, abi.Denied, "not granted to this plugin (granted: terraform)",
			&guestpb.ExecRequest{Program: "sh"}, &guestpb.ExecRequest{Program: "tofu"}, &guestpb.ExecRequest{Program: "Terraform"}, &guestpb.ExecRequest{}),
		denied("a program by its path", "Runs `/bin/sh`, `../terraform`, `./terraform`, and names with a zero and a line break", byGrant, abi.Denied, "not granted to this plugin (granted: terraform)",
			&guestpb.ExecRequest{Program: "/bin/sh"}, &guestpb.ExecRequest{Program: "../terraform"}, &guestpb.ExecRequest{Program: "./terraform"},
			&guestpb.ExecRequest{Program: "terraform\x00"}, &guestpb.ExecRequest{Program: "terraform\n"}),
		{"a program without a manifest", "A module without a manifest runs the engine", byGrant, runs(host.Options{}, func() []byte {
			m := bareModule()
			m.start(engine("version"))
			return m.report()
		}, "", func(t *testing.T, o outcome) {
			if o.results[0] != int64(abi.Denied.Result()) {
				t.Errorf("it returned %d", o.results[0])
			}
		})},
		{"variables that redirect the engine", "Sets each of " + fmt.Sprint(len(redirecting)) + " variables, such as `LD_PRELOAD`, `TF_CLI_CONFIG_FILE` and `TF_CLI_ARGS`, as they are, in lower case and mixed, with a manifest that asks for all that there is",
			"Only what is granted is taken, and nothing that redirects can be granted: errno 2", redirect},
		denied("variables that are none", "Sets variables without a name, without a value, with a zero, with a blank in the name, and one twice", "Each is checked: errno 1", abi.Invalid, "",
			with("=x"), with("TF_VAR_a"), with(""), with("TF_VAR_a=\x00LD_PRELOAD=x"), with("TF_VAR_a b=x"), with("TF_VAR_a=1", "TF_VAR_a=2")),
		denied("variables that are long", "Sets a variable of 128 KiB, more than the system takes", "Checked before the program is started: errno 3", abi.Limit, "the system takes at most", with("TF_VAR_a="+strings.Repeat("x", 128<<10))),
		{"the daemon's environment", "A program prints its environment", "It is built from nothing", environment},
		{"arguments that lead out", "Runs the engine with `-chdir=/`, `-plugin-dir=/tmp`, `-state=/etc/passwd`, `$(id)`, `; id` and a line break",
			"No shell sees arguments, and none is filtered: a plugin that runs the engine also writes its template, which may run anything. What all of that reaches is the jail's to say", arguments},
		denied("arguments with a zero", "Runs the engine with an argument that has a zero byte in it", "Checked before the program is started: errno 1", abi.Invalid, "it contains a NUL byte", engine("version", "a\x00b")),
		denied("arguments that are long", "Runs the engine with an argument of 128 KiB", "Checked before the program is started: errno 3", abi.Limit, "the system takes at most", engine("version", strings.Repeat("x", 128<<10))),
		denied("a request of garbage", "`exec_start` with 2,000 arguments of garbage, and with half a message", "Messages are decoded before anything else: errno 1", abi.Invalid, "does not decode", nil),
		{"a directory that leads out", "Runs the engine in `..`, `/`, `/etc`, `a/../../..`, and in links to `/` and `..` that a program has made", "Directories are relative to /work and resolved in it: errno 1 or 2", directories},
		{"a program that reads nothing", "Writes 1 MiB to a program that does not read, 64 KiB at a time", "`exec_write` never waits: it says that it took less", deaf},
		{"a program that says nothing", "Waits for the output of a program that sleeps", "A call that waits ends with the request", runs(host.Options{RequestTimeout: atEase, GracePeriod: late, ExitTimeout: briefly}, func() []byte {
			m := newModule()
			m.start(engine("sh", "trap '' INT; sleep 300 & wait; sleep 300"))
			m.call(abi.FuncExecRead, 1, outAt, 16, -1)
			m.call(abi.FuncExecWait, 1, outAt, 16)
			return m.report()
		}, "", nil)},
		{"a program that does not end", "Starts a program that ignores the interrupt, and closes it", "`exit_timeout`: an interrupt, then a kill of its whole tree", runs(host.Options{ExitTimeout: briefly}, func() []byte {
			m := newModule()
			m.start(engine("sh", "trap '' INT TERM HUP; sleep 300 & sleep 301"))
			m.call(abi.FuncExecClose, 1)
			return m.report()
		}, "", func(t *testing.T, o outcome) {
			if o.results[0] != 1 || o.results[1] != 0 {
				t.Errorf("the calls returned %d", o.results[:2])
			}
		})},
		{"programs after a cancel", "Goes on starting programs when the client has asked to cancel", "After a cancel none is started: errno 4", afterCancel},
	}
}

// with runs the engine with variables.
func with(env ...string) *guestpb.ExecRequest {
	return &guestpb.ExecRequest{Program: "terraform", Args: []string{"version"}, Env: env}
}

// denied is an attack by requests to run something, each of which gets that errno. Nil stands for bytes that are no request.
func denied(name, tries, contains string, errno abi.Errno, text string, requests ...*guestpb.ExecRequest) attack {
	return attack{name, tries, contains, func(t *testing.T, a *arena) { refuse(t, a, errno, text, requests...) }}
}

func refuse(t *testing.T, a *arena, errno abi.Errno, text string, requests ...*guestpb.ExecRequest) {
	t.Helper()
	m := newModule()
	for _, req := range requests {
		switch {
		case req == nil:
			m.with(abi.FuncExecStart, strings.Repeat("\x12\x05", 2000)+"\xff")
			m.with(abi.FuncExecStart, "\x0a\x50terraform")
		case len(marshal(req)) > 1<<10:
			m.startLong(req)
		default:
			m.start(req)
		}
	}
	m.call(abi.FuncLastError, outAt, 1000)
	runs(host.Options{}, m.report, "", func(t *testing.T, o outcome) {
		for i := range len(m.calls) - 1 {
			if o.results[i] != int64(errno.Result()) {
				t.Errorf("request %d returned %d, want %d (%v)", i, o.results[i], errno.Result(), errno)
			}
		}
		if last := string(o.out()[:min(max(o.results[len(m.calls)-1], 0), 1000)]); !strings.Contains(last, text) {
			t.Errorf("the last error is %q, want %q", last, text)
		}
	})(t, a)
}

func redirect(t *testing.T, a *arena) {
	var requests []*guestpb.ExecRequest
	for _, name := range redirecting {
		mixed := strings.ToUpper(name[:1]) + strings.ToLower(name[1:])
		for _, n := range []string{name, strings.ToLower(name), mixed} {
			requests = append(requests, with(n+"=/tmp/x"))
		}
	}
	for part := range slices.Chunk(requests, 50) {
		refuse(t, a, abi.Denied, "environment variable", part...)
	}
}

const daemonSecret = "the daemon's own"

// environment plants a secret in the environment of the daemon, which is this process.
func environment(t *testing.T, a *arena) {
	t.Setenv("ATTACK_SECRET", daemonSecret)
	t.Setenv("TF_VAR_secret", daemonSecret)
	t.Setenv("AWS_SECRET_ACCESS_KEY", daemonSecret)
	text, logs := a.misbehave(t, `run terraform sh "env; tr '\\0' '\\n' </proc/self/environ; set"`)
	all := strings.Join(logs, "\n")
	if text != "" || !strings.Contains(all, "TF_CLI_CONFIG_FILE=") {
		t.Fatalf("the program did not run: %s\n%s", text, all)
	}
	if strings.Contains(all, daemonSecret) {
		t.Errorf("it has the daemon's environment:\n%s", all)
	}
}

func arguments(t *testing.T, a *arena) {
	mark := filepath.Join(t.TempDir(), "mark")
	args := []string{"-chdir=/", "-plugin-dir=/tmp", "-state=/etc/passwd", "$(touch " + mark + ")", "; touch " + mark, "`touch " + mark + "`", "a\nb", "*", ""}
	var quoted []string
	for _, arg := range args {
		quoted = append(quoted, fmt.Sprintf("%q", arg))
	}
	text, logs := a.misbehave(t, `run terraform sh "for a; do printf '<%s>' \"$a\"; done; echo; pwd" sh `+strings.Join(quoted, " "))
	if want := "<" + strings.Join(args, "><") + ">"; text != "" || !strings.Contains(strings.Join(logs, "\n"), want) {
		t.Errorf("the engine got %q (%s), want %q", logs, text, want)
	}
	if _, err := os.Lstat(mark); !os.IsNotExist(err) {
		t.Errorf("a shell has seen the arguments: %v", err)
	}
}

func directories(t *testing.T, a *arena) {
	m := newModule()
	m.start(engine("sh", "ln -s / root; ln -s .. up; ln -s up up2; mkdir d; ln -s ../.. d/l; touch file"))
	m.call(abi.FuncExecWait, 1, outAt, 100)
	dirs := []string{"..", "/", "/etc", "a/../../..", "./..", "root", "root/etc", "up", "up2", "d/l", "d/../..", "/work", "\x00", "file", "none", strings.Repeat("d/", 100) + ".."}
	for _, dir := range dirs {
		m.start(&guestpb.ExecRequest{Program: "terraform", Args: []string{"version"}, Dir: dir})
	}
	runs(host.Options{}, m.report, "", func(t *testing.T, o outcome) {
		for i, r := range o.results[2 : 2+len(dirs)] {
			if r >= 0 {
				t.Errorf("it runs in %q: %d", dirs[i], r)
			}
		}
	})(t, a)
}

func deaf(t *testing.T, a *arena) {
	m := newModule()
	m.start(engine("sh", "exec sleep 300"))
	for range 32 {
		m.call(abi.FuncExecWrite, 1, 0, page)
	}
	runs(host.Options{ExitTimeout: briefly}, m.report, "", func(t *testing.T, o outcome) {
		if last := o.results[32]; o.results[0] != 1 || o.results[1] <= 0 || last != 0 {
			t.Errorf("the calls returned %d", o.results[:33])
		}
	})(t, a)
}

// afterCancel: the plugin waits for the cancel, and then starts a program.
func afterCancel(t *testing.T, a *arena) {
	m := newModule()
	m.body = wt.Loop(m.Host(abi.FuncCanceled), wt.I32Eqz, brIf(0))
	m.start(engine("sh", "touch started"))
	d, err := load(t, host.Options{}, server.Options{}, m.report())
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.open(inTime(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := errors.Join(s.Send(initOf(nil)), s.Cancel()); err != nil {
		t.Fatal(err)
	}
	resp, err := s.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var got outcome
	if got.read(resp); got.text != "" || got.results[0] != int64(abi.Canceled.Result()) {
		t.Errorf("the call returned %d; the Complete says %q", got.results, got.text)
	}
	if started, _ := filepath.Glob(filepath.Join(d.data, "*", "*", "*", "work", "started")); len(started) > 0 {
		t.Error("the program was started")
	}
	s.Close()
	a.clean(t, d)
}
