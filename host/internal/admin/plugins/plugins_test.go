package plugins_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/registry"
)

// TestOperate installs, uses, pins, rolls back and removes on a running daemon, with a session in flight all the while.
func TestOperate(t *testing.T) {
	d := start(t, tiny(t, "a@1.0.0"))
	inFlight, mark, err := d.session(t.Context(), "default", daemontest.EchoTemplate(""))
	d.must(err)
	if mark != "a@1.0.0" {
		t.Errorf("the first session got %s", mark)
	}
	want := func(all, pinned string) {
		t.Helper()
		if got := d.whole("default"); got != all {
			t.Errorf("a session got %s, want %s", got, all)
		}
		if got := d.whole("pinned"); got != pinned {
			t.Errorf("a session of the pinned tenant got %s, want %s", got, pinned)
		}
	}
	d.must(d.install(tiny(t, "a@1.1.0")))
	want("a@1.0.0", "a@1.0.0")
	d.must(d.use("a@1.1.0", "", 0))
	want("a@1.1.0", "a@1.1.0")
	d.must(d.use("a@1.0.0", "pinned", 0))
	d.must(d.install(tiny(t, "a@1.2.0"), used))
	want("a@1.2.0", "a@1.0.0")
	done, err := d.plugins.Rollback(t.Context(), "a")
	if err != nil || done.Done != "a@1.1.0 is in use again" {
		t.Errorf("rolled back: %v, %v", done, err)
	}
	want("a@1.1.0", "a@1.0.0")
	d.must(d.use("a@1.2.0", "pinned", 0))
	_, err = d.plugins.Remove(t.Context(), plugin.Ref{Name: "a", Version: "1.2.0"})
	wantAnswer(t, err, 409, "tenants are pinned to it: pinned")
	_, err = d.plugins.Remove(t.Context(), plugin.Ref{Name: "a", Version: "1.1.0"})
	wantAnswer(t, err, 409, "it is in use")
	// The session in flight has the version that it began with, also after its base was replaced.
	if again, err := ask(t.Context(), inFlight, plan); err != nil || again != "a@1.0.0" {
		t.Errorf("the session in flight: %s, %v", again, err)
	}
	if v := d.info("a").Versions[0]; !v.Base || v.Sessions != 1 || !v.Loaded {
		t.Errorf("the base is listed as %+v", v)
	}
	d.must(end(inFlight))
	d.must(d.use("a", "pinned", 0))
	want("a@1.1.0", "a@1.1.0")
	_, err = d.plugins.Remove(t.Context(), plugin.Ref{Name: "a", Version: "1.2.0"})
	d.must(err)
	// What was chosen outlives the daemon.
	d.restart()
	want("a@1.1.0", "a@1.1.0")
	if i := d.info("a"); len(i.Versions) != 2 || i.Versions[0].Loaded || !i.Versions[1].Active {
		t.Errorf("after a restart: %+v", i)
	}
}

// TestRemoveWhileInUse removes a version that a session has: it goes on, and then its code is gone.
func TestRemoveWhileInUse(t *testing.T) {
	d := start(t, tiny(t, "a@1.0.0"))
	d.must(d.install(tiny(t, "a@1.1.0"), used))
	s, mark, err := d.session(t.Context(), "default", daemontest.EchoTemplate(""))
	d.must(err)
	d.must(d.use("a@base", "", 0))
	if v := d.version("a", "1.1.0"); v.Sessions != 1 || !v.Loaded {
		t.Errorf("it is listed as %+v", v)
	}
	_, err = d.plugins.Remove(t.Context(), plugin.Ref{Name: "a", Version: "1.1.0"})
	d.must(err)
	if again, err := ask(t.Context(), s, plan); err != nil || again != mark || mark != "a@1.1.0" {
		t.Errorf("the session got %s and, after its version was removed, %s: %v", mark, again, err)
	}
	d.must(end(s))
	if d.version("a", "1.1.0") != nil {
		t.Error("it is still listed")
	}
	// It can be installed again.
	d.must(d.install(tiny(t, "a@1.1.0"), used))
	if got := d.whole("default"); got != "a@1.1.0" {
		t.Errorf("got %s", got)
	}
}

// TestCanary has a version that fails on the trial of real sessions: it is withdrawn by itself, and that is logged and listed.
func TestCanary(t *testing.T) {
	d := start(t, tiny(t, "a@1.0.0"))
	d.must(d.install(tiny(t, "a@1.1.0", func(p *tinyPlugin) { p.fails = 4 }), func(i *registry.Installation) { i.Canary = 30 }))
	d.must(d.use("a@1.0.0", "pinned", 0))
	withdrawn := func() bool { return d.info("a").Withdrawn != nil }
	sessions, failed := 0, 0
	for ; !withdrawn() && sessions < 400; sessions++ {
		s, mark, err := d.session(t.Context(), "default", daemontest.EchoTemplate(""))
		d.must(err)
		_, err = ask(t.Context(), s, plan)
		var answer answerError
		switch {
		case err == nil && mark != "a@1.0.0", err != nil && (mark != "a@1.1.0" || !errors.As(err, &answer)):
			t.Fatalf("a session of %s planned with %v", mark, err)
		case err != nil:
			failed++
		}
		d.must(end(s))
	}
	t.Logf("withdrawn after %d sessions, in %d of which the canary failed", sessions, failed)
	if failed < 3 || failed > 20 {
		t.Errorf("it was withdrawn after %d failures in %d sessions", failed, sessions)
	}
	for range 20 {
		if got := d.whole("default"); got != "a@1.0.0" {
			t.Errorf("after the withdrawal a session got %s", got)
		}
	}
	if w := d.info("a").Withdrawn; w == nil || w.Version != "1.1.0" || !strings.Contains(w.Reason, "it failed in") {
		t.Errorf("listed is %+v", w)
	}
	if !strings.Contains(d.log.String(), `msg="a canary was withdrawn" plugin=a version=1.1.0 reason="it failed in`) {
		t.Error("nothing of it is in the log")
	}
	if !daemontest.Soon(func() bool { v := d.version("a", "1.1.0"); return !v.Loaded && v.Canary == nil }) {
		t.Errorf("it is listed as %+v", d.version("a", "1.1.0"))
	}
}

// TestGoodCanary keeps a version on trial whose answers have errors, as those of the version in use: it is the template's fault.
func TestGoodCanary(t *testing.T) {
	refuses := func(p *tinyPlugin) { p.refuses = true }
	d := start(t, tiny(t, "a@1.0.0", refuses))
	d.must(d.install(tiny(t, "a@1.1.0", refuses), func(i *registry.Installation) { i.Canary = 50 }))
	for range 60 {
		s, _, err := d.session(t.Context(), "default", daemontest.EchoTemplate(""))
		d.must(err)
		if _, err := ask(t.Context(), s, plan); err != answerError("no") {
			t.Errorf("the plan: %v", err)
		}
		d.must(end(s))
	}
	if !daemontest.Soon(func() bool { c := d.version("a", "1.1.0").Canary; return c != nil && c.Sessions+c.StableSessions == 60 }) {
		t.Errorf("the canary is %+v", d.version("a", "1.1.0").Canary)
	}
	if c := d.version("a", "1.1.0").Canary; c.Failed+c.StableFailed != 0 || c.Sessions == 0 || c.StableSessions == 0 {
		t.Errorf("the canary is %+v", c)
	}
	// Promotion.
	d.must(d.use("a@1.1.0", "", 0))
	if v := d.version("a", "1.1.0"); !v.Active || v.Canary != nil {
		t.Errorf("after its promotion it is listed as %+v", v)
	}
}

func TestGrants(t *testing.T) {
	d := start(t, tiny(t, "a@1.0.0"))
	asks := tiny(t, "b@1.0.0", func(p *tinyPlugin) { p.manifest.Programs = []string{"git"}; p.manifest.Env = []string{"GIT_*"} })
	wantAnswer(t, d.install(asks, used), 422, "asks for more than is granted: the program git, the variable GIT_*")
	d.must(d.install(asks, used, func(i *registry.Installation) {
		i.Grants = &plugin.Grants{Programs: []string{"git"}, Env: []string{"GIT_*"}}
	}))
	if i := d.info("b"); i.GrantedBy != "operator" || !i.Grants.Program("git") || !i.Grants.Program("terraform") {
		t.Errorf("listed is %+v", i)
	}
	_, err := d.plugins.Grant(t.Context(), "b", &plugin.Grants{})
	d.must(err)
	wantAnswer(t, d.use("b@1.0.0", "pinned", 0), 422, "asks for more than is granted")
	d.restart()
	if i := d.info("b"); len(i.Grants.Programs) != 0 {
		t.Errorf("after a restart it is granted %+v", i.Grants)
	}
}

// TestNothingWaitsForAnInstallation: a slow installation keeps nobody else from doing something.
func TestNothingWaitsForAnInstallation(t *testing.T) {
	d := start(t, tiny(t, "a@1.0.0"))
	d.must(d.install(tiny(t, "a@1.1.0"), used))
	began := make(chan struct{})
	feed := &slowFile{began: began, rest: make(chan struct{}), module: tiny(t, "a@1.2.0")}
	done := make(chan error, 1)
	go func() {
		_, err := d.plugins.Install(t.Context(), feed, int64(len(feed.module)), registry.Installation{})
		done <- err
	}()
	<-began
	_, err := d.plugins.Rollback(t.Context(), "a")
	d.must(err)
	if got := d.whole("default"); got != "a@1.0.0" {
		t.Errorf("got %s", got)
	}
	close(feed.rest)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// slowFile gives half of a file, and the other half when rest is closed.
type slowFile struct {
	began, rest chan struct{}
	module      []byte
	given       int
}

func (s *slowFile) Read(b []byte) (int, error) {
	half := len(s.module) / 2
	switch {
	case s.given == 0:
		s.given = copy(b[:min(len(b), half)], s.module)
		return s.given, nil
	case s.given < len(s.module):
		if s.began != nil {
			close(s.began)
			s.began = nil
			<-s.rest
		}
		n := copy(b, s.module[s.given:])
		s.given += n
		return n, nil
	}
	return 0, io.EOF
}
