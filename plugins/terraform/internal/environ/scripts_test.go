//go:build !wasip1

package environ

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestScripts(t *testing.T) {
	platforms := map[string]string{
		"linux_amd64": "linux-amd64", "linux_arm64": "linux-arm64", "linux_armv7": "linux-armv7",
		"darwin_amd64": "darwin-amd64", "darwin_arm64": "darwin-arm64",
		"windows_amd64": "windows-amd64.exe", "windows_arm64": "windows-arm64.exe",
	}
	got := scripts
	if len(got) != len(platforms) {
		t.Errorf("%d scripts, want %d", len(got), len(platforms))
	}
	for platform, binary := range platforms {
		script := got[platform]
		for _, must := range []string{`"${ACCESS_URL}bin/coder-` + binary + `"`, "CODER_AGENT_AUTH", `"${AUTH_TYPE}"`, "CODER_AGENT_URL", `"${ACCESS_URL}"`, "86400"} {
			if !strings.Contains(script, must) {
				t.Errorf("%s: the script has no %s", platform, must)
			}
		}
		for _, never := range []string{"@PLATFORM@", "\x00", "'"} {
			if strings.Contains(script, never) {
				t.Errorf("%s: the script has %q", platform, never)
			}
		}
	}
	if !strings.Contains(got["windows_amd64"], `"sshd.exe"`) {
		t.Error("on Windows the binary is not called sshd.exe")
	}
}

// world is a machine for the script to run on: a directory of tools that is the whole PATH.
type world struct {
	t    *testing.T
	root string
}

func newWorld(t *testing.T) *world {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh")
	}
	w := &world{t, t.TempDir()}
	for _, tool := range []string{"sh", "mktemp", "chmod", "head", "cat", "sed", "mkdir", "rm", "cp"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skipf("there is no %s", tool)
		}
		w.mkdir("bin")
		if err := os.Symlink(path, filepath.Join(w.root, "bin", tool)); err != nil {
			t.Fatal(err)
		}
	}
	// Nobody has the time to wait: this sleep says for how long it was asked.
	w.tool("sleep", `echo "sleep $1" >> `+w.path("log"))
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.root, name) }

func (w *world) mkdir(name string) {
	if err := os.MkdirAll(w.path(name), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tool(name, script string) {
	if err := os.WriteFile(w.path("bin/"+name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// agent is what the deployment serves.
func (w *world) agent(script string) {
	if err := os.WriteFile(w.path("served"), []byte("#!/bin/sh\n"+script+"\n"), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) log() string {
	b, _ := os.ReadFile(w.path("log"))
	return string(b)
}

func (w *world) command() *exec.Cmd {
	script := scripts["linux_amd64"]
	script = strings.ReplaceAll(script, "${ACCESS_URL}", "https://c.example/")
	script = strings.ReplaceAll(script, "${AUTH_TYPE}", "token")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	w.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Env = []string{"PATH=" + w.path("bin"), "HOME=" + w.root, "TMPDIR=" + w.root}
	return cmd
}

const goodAgent = `[ "$1" = --version ] && { echo v9; exit 0; }
echo "agent $1 $CODER_AGENT_AUTH $CODER_AGENT_URL" >> $HOME/log
`

func TestScriptDownloadsWithWhatIsThere(t *testing.T) {
	fetch := func(output string) string {
		return `for last; do :; done; [ "$last" = https://c.example/bin/coder-linux-amd64 ] || exit 9
while [ $# -gt 0 ]; do case $1 in ` + output + `) cp $HOME/served "$2"; exit;; esac; shift; done; exit 8`
	}
	for tool, script := range map[string]string{"curl": fetch("-o"), "wget": fetch("-O"), "busybox": "shift\n" + fetch("-O")} {
		t.Run(tool, func(t *testing.T) {
			w := newWorld(t)
			w.agent(goodAgent)
			w.tool(tool, script)
			out, err := w.command().CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if got, want := w.log(), "agent agent token https://c.example/\n"; got != want {
				t.Errorf("log %q, want %q; output %s", got, want, out)
			}
		})
	}
}

func TestScriptKeepsTrying(t *testing.T) {
	w := newWorld(t)
	w.agent(goodAgent)
	w.tool("curl", `echo try >> $HOME/tries; [ "$(cat $HOME/tries | sed -n 3p)" = try ] || exit 22
while [ "$1" != -o ]; do shift; done; cp $HOME/served "$2"`)
	out, err := w.command().CombinedOutput()
	if want := "sleep 15\nsleep 15\nagent agent token https://c.example/\n"; err != nil || w.log() != want {
		t.Errorf("log %q, want %q: %v: %s", w.log(), want, err, out)
	}
}

func TestScriptKeepsAFailuresLog(t *testing.T) {
	const curl = `while [ "$1" != -o ]; do shift; done; cp $HOME/served "$2"`
	for _, c := range []struct {
		name, curl, agent, output string
		status                    int
	}{
		{"no tool", "", goodAgent, "none of curl, wget and busybox", 127},
		{"no agent", curl, "echo this is a login page; exit 3", "this is a login page", 1},
		{"an agent that fails", curl, goodAgent + "echo no deployment; exit 7", "no deployment", 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.agent(c.agent)
			if c.curl != "" {
				w.tool("curl", c.curl)
			}
			cmd := w.command()
			out, err := cmd.CombinedOutput()
			if err == nil || cmd.ProcessState.ExitCode() != c.status {
				t.Errorf("ended with %v, want status %d", err, c.status)
			}
			if !strings.Contains(string(out), c.output) || !strings.HasSuffix(w.log(), "sleep 86400\n") {
				t.Errorf("output %q, log %q", out, w.log())
			}
		})
	}
}

// Who stops a container stops its first process, and that is this script.
func TestScriptPassesSignalsOn(t *testing.T) {
	w := newWorld(t)
	w.agent(`[ "$1" = --version ] && exit 0
trap 'echo stopped >> $HOME/log; exit 5' TERM
echo started >> $HOME/log
while :; do /bin/sleep 0.05; done`)
	w.tool("curl", `while [ "$1" != -o ]; do shift; done; cp $HOME/served "$2"`)
	cmd := w.command()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); !strings.Contains(w.log(), "started"); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatal("the agent never started")
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if cmd.ProcessState.ExitCode() != 5 || w.log() != "started\nstopped\n" {
		t.Errorf("ended with %v, log %q", err, w.log())
	}
}
