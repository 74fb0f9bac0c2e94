package watchdir

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"

	"github.com/provisor/provisor/host/internal/daemontest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestChanges(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"sub/below", ".git"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w, err := New(func(name string) bool { return strings.HasSuffix(name, ".wasm") }, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	changed := func(patience time.Duration) bool {
		select {
		case <-w.Changes():
			return true
		case <-time.After(patience):
			return false
		}
	}
	write := func(name string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"main.go", "sub/a", "sub/below/a", "new/below/a"} {
		write(name)
		if !changed(daemontest.Patience) {
			t.Fatalf("%s was written, and nothing told", name)
		}
		for changed(2 * Settle) { // a busy machine may take its time between the events of one
		}
	}
	if err := os.Remove(filepath.Join(dir, "sub/a")); err != nil {
		t.Fatal(err)
	}
	if !changed(daemontest.Patience) {
		t.Error("a file was removed, and nothing told")
	}
	if all := w.notify.WatchList(); slices.Contains(all, filepath.Join(dir, ".git")) || !slices.Contains(all, filepath.Join(dir, "new", "below")) {
		t.Errorf("watched is %q", all)
	}
}

// What comes at once is one change, when nothing more has come for a while, and what does not matter is none.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, errs := make(chan fsnotify.Event), make(chan error)
		w := &Watcher{
			notify: &fsnotify.Watcher{Events: events, Errors: errs}, ignored: func(name string) bool { return name == "a.wasm" },
			changes: make(chan struct{}, 1), done: make(chan struct{}),
		}
		go w.run()
		write := func(name string) { events <- fsnotify.Event{Name: filepath.Join("dir", name), Op: fsnotify.Write} }
		after := func() time.Duration {
			began := time.Now()
			select {
			case <-w.Changes():
				return time.Since(began)
			case <-time.After(time.Hour):
				return 0
			}
		}
		write("main.go")
		time.Sleep(Settle / 2)
		write("go.mod")
		if took, again := after(), after(); took != Settle || again != 0 {
			t.Errorf("two changes at once are told after %v, and once more after %v", took, again)
		}
		for _, name := range []string{".hidden", "a.wasm"} {
			if write(name); after() != 0 {
				t.Errorf("%s was written, which does not matter, and it was told", name)
			}
		}
		errs <- fsnotify.ErrEventOverflow
		if after() != Settle {
			t.Error("events were lost, and nothing told")
		}
		close(events)
		<-w.done
	})
}

func TestNoDirectory(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	if w, err := New(nil, missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("got %v, %v", w, err)
	}
}
