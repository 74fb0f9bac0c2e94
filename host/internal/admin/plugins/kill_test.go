package plugins_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/admin/plugins"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/registry"
)

// daemonVariable makes the test's program a daemon in the directory of one that start has made.
const daemonVariable = "PLUGINS_TEST_DAEMON"

// beDaemon takes an operator's commands until it is killed.
func beDaemon(dir string) error {
	data := filepath.Join(dir, "data")
	runtime, err := host.New(context.Background(), host.Options{Plugin: filepath.Join(dir, "base.wasm"), DataDir: data, Plugins: host.PluginsDir(data)})
	if err != nil {
		return err
	}
	a, err := admin.Listen(filepath.Join(dir, "admin"), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	plugins.Handle(a, runtime.Plugins())
	fmt.Println("ready")
	return a.Serve(context.Background())
}

// TestDaemonIsKilled kills a daemon while an operator installs, uses, rolls back and removes: the next one gives sessions what was chosen by
// the last command that was answered, or by the one that was not, and has all that it lists.
func TestDaemonIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process for each round")
	}
	d := start(t, tiny(t, "a@1.0.0"))
	d.stop()
	o := &operator{daemon: d, may: []string{"a@1.0.0"}}
	const rounds = 12
	commands := 0
	for killed := range rounds {
		commands += o.workUntilKilled(killed%4, time.Duration(rand.IntN(200))*time.Millisecond)
		d.run()
		got := d.whole("default")
		o.checkGot(got)
		versions := o.versions()
		if killed < rounds-1 {
			versions = versions[max(0, len(versions)-3):] // all of them in the end
		}
		for _, v := range versions {
			d.must(d.use(v, "", 0))
			if got = d.whole("default"); got != v {
				t.Errorf("a session got %s, and %s was chosen", got, v)
			}
		}
		o.may = []string{got}
		d.stop()
	}
	t.Logf("%d daemons were killed, %d commands answered, %d versions installed", rounds, commands, o.next)
}

// operator changes a daemon's plugins, and knows what sessions must get.
type operator struct {
	*daemon
	next int
	// may are the versions one of which new sessions get: the one before the command that is under way, and the one after it.
	may []string
}

// versions are those of the plugin that are listed.
func (o *operator) versions() (refs []string) {
	o.t.Helper()
	list, err := o.plugins.List(o.t.Context())
	o.must(err)
	for _, p := range list.Plugins {
		for _, v := range p.Versions {
			if p.Name == "b" {
				refs = append(refs, "b@"+v.Version)
			}
		}
	}
	return refs
}

func (o *operator) checkGot(got string) {
	o.t.Helper()
	for _, m := range o.may {
		if got == m {
			return
		}
	}
	o.t.Errorf("a session got %s, want one of %q", got, o.may)
}

// workUntilKilled starts a daemon, gives it commands, and kills it a while after so many are answered. It returns how many were in the end.
func (o *operator) workUntilKilled(commands int, after time.Duration) (answered int) {
	t := o.t
	t.Helper()
	self, err := os.Executable()
	o.must(err)
	c := exec.Command(self)
	c.Env, c.Stderr = append(os.Environ(), daemonVariable+"="+o.dir), os.Stderr
	out, err := c.StdoutPipe()
	o.must(err)
	o.must(c.Start())
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the daemon has ended before it began: %v", err)
	}
	client, err := admin.Dial(filepath.Join(o.dir, "admin"))
	o.must(err)
	defer client.Close()
	ask := plugins.Client{Client: client}
	var killed atomic.Bool
	for {
		for _, command := range o.commands(ask) {
			if answered == commands {
				time.AfterFunc(after, func() {
					killed.Store(true)
					_ = c.Process.Kill()
				})
			}
			if command.then != "" {
				o.may = append(o.may[:1:1], command.then)
			}
			if err := command.do(); err != nil {
				if !killed.Load() {
					t.Errorf("a command failed before the daemon was killed: %v", err)
					_ = c.Process.Kill()
				}
				_ = c.Wait() // killed
				return answered
			}
			answered++
			o.may = o.may[len(o.may)-1:]
		}
	}
}

// command is an operator's. Once it is answered, new sessions get then; "" = what they got before.
type command struct {
	then string
	do   func() error
}

// commands install two versions, go back and forth between them, and remove one of them.
func (o *operator) commands(ask plugins.Client) []command {
	ctx := o.t.Context()
	ref := func(n int) plugin.Ref { return plugin.Ref{Name: "b", Version: fmt.Sprintf("%d.0.0", n)} }
	install := func(n int) command {
		module := tiny(o.t, ref(n).String())
		return command{ref(n).String(), func() error {
			_, err := ask.Install(ctx, bytes.NewReader(module), int64(len(module)), registry.Installation{Use: true})
			return err
		}}
	}
	first, second := o.next, o.next+1
	o.next += 2
	return []command{
		install(first), install(second),
		{ref(first).String(), func() error { _, err := ask.Rollback(ctx, "b"); return err }},
		{ref(second).String(), func() error { _, err := ask.Use(ctx, registry.Choice{Ref: ref(second)}); return err }},
		{"", func() error { _, err := ask.Remove(ctx, ref(first)); return err }},
	}
}
