package recovery

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/provisor/provisor/host/internal/daemontest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	mainFile = "terraform.tfstate"
	errored  = "errored.tfstate"
)

// fixture is a store with a session's work directory.
type fixture struct {
	*Store
	work string
	log  *daemontest.Log
}

func newFixture(t *testing.T, o Options) *fixture {
	t.Helper()
	f := &fixture{work: t.TempDir(), log: new(daemontest.Log)}
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "recovery")
	}
	o.Log = f.log.Logger()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	f.Store = s
	return f
}

// record is a record of an apply in a session directory of that name.
func record(directory string) Record {
	return Record{
		Tenant: "default", Session: "s", Directory: directory, Plugin: Plugin{Name: "terraform", Version: "1.0.0"},
		Files: []string{mainFile, errored}, Started: time.Now(),
	}
}

func (f *fixture) begin(t *testing.T) *Keeper {
	t.Helper()
	k, err := f.Begin(record("dir"), f.work)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (f *fixture) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.work, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// list lists the records as lines: status, why, and each state.
func (f *fixture) list(t *testing.T) string {
	t.Helper()
	entries, err := f.List()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range entries {
		line := fmt.Sprintf("%s %s", e.ID, e.Status)
		if e.Record != nil && e.Record.Why != "" {
			line += " (" + e.Record.Why + ")"
		}
		for _, s := range e.States {
			content, err := s.Read()
			if err != nil { // in use, it may have given way to a newer one just now
				content = []byte(err.Error())
			}
			line += " " + s.File + "=" + string(content)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func (f *fixture) wantList(t *testing.T, want string) {
	t.Helper()
	if got := f.list(t); got != want {
		t.Errorf("the store has\n%.300s\nwant\n%.300s", got, want)
	}
}

// soon waits until the store lists what is wanted, for as long as a busy machine may take.
func (f *fixture) soon(t *testing.T, want string) {
	t.Helper()
	daemontest.Soon(func() bool { return f.list(t) == want })
	f.wantList(t, want)
}

// Each complete state is copied while the apply runs; a cut one never takes the place of a whole one.
func TestStatesAreCopied(t *testing.T) {
	f := newFixture(t, Options{})
	f.write(t, mainFile, `{"serial":1}`)
	k := f.begin(t)
	f.wantList(t, `dir.1 in use terraform.tfstate={"serial":1}`)
	for _, step := range []struct{ content, want string }{
		{`{"serial":2}`, `{"serial":2}`},
		{`{"serial":3`, `{"serial":2}`},
		{``, `{"serial":2}`},
		{`{"serial":4}`, `{"serial":4}`},
		{strings.Repeat(" ", 100_000) + `{"serial":5`, `{"serial":4}`},
	} {
		f.write(t, mainFile, step.content)
		f.soon(t, "dir.1 in use terraform.tfstate="+step.want)
	}
	if got := finish(k); got != `{"serial":4}` {
		t.Errorf("the newest state is %s", got)
	}
	if err := k.Keep("the client is gone"); err != nil {
		t.Fatal(err)
	}
	f.wantList(t, `dir.1 kept (the client is gone) terraform.tfstate={"serial":4}`)
	if runtime.GOOS != "windows" {
		checkModes(t, f.o.Dir)
	}
}

func checkModes(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "default", "dir.1", "*"))
	if err != nil || len(files) != 2 {
		t.Errorf("files %q, %v; want a record and one copy: the older are removed", files, err)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// finish finishes an apply and returns its newest complete state.
func finish(k *Keeper) string {
	k.Finish()
	return string(k.State())
}

// What was written just before the end is not missed, whether an event told of it or not.
func TestFinishLooks(t *testing.T) {
	f := newFixture(t, Options{})
	k := f.begin(t)
	f.write(t, mainFile, `{"serial":7}`)
	if got := finish(k); got != `{"serial":7}` {
		t.Errorf("the newest state is %s", got)
	}
	if err := k.Keep("why"); err != nil {
		t.Fatal(err)
	}
	f.wantList(t, `dir.1 kept (why) terraform.tfstate={"serial":7}`)
}

func TestNewestOfSeveralFiles(t *testing.T) {
	type written struct {
		name, content string
		age           time.Duration
	}
	for _, tt := range []struct {
		name  string
		files []written
		want  string
	}{
		{"none", nil, ""},
		{"one", []written{{mainFile, `{"serial":1}`, 0}}, `{"serial":1}`},
		{"an engine that could not write its file", []written{{mainFile, `{"serial":1}`, time.Minute}, {errored, `{"serial":2}`, 0}}, `{"serial":2}`},
		{"left by an apply before", []written{{mainFile, `{"serial":3}`, 0}, {errored, `{"serial":2}`, time.Minute}}, `{"serial":3}`},
		{"the newest is cut short", []written{{mainFile, `{"serial":1}`, time.Minute}, {errored, `{"ser`, 0}}, `{"serial":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, Options{})
			for _, w := range tt.files {
				f.write(t, w.name, w.content)
				at := time.Now().Add(-w.age)
				if err := os.Chtimes(filepath.Join(f.work, w.name), at, at); err != nil {
					t.Fatal(err)
				}
			}
			k := f.begin(t)
			got := finish(k)
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if err := k.Confirm([]byte(got)); err != nil {
				t.Error(err)
			}
			f.wantList(t, "")
		})
	}
}

func TestConfirm(t *testing.T) {
	const other = "dir.1 kept (the answer that the client got had another state than the engine has left) "
	for _, tt := range []struct{ name, state, answer, want string }{
		{"the same", `{"serial":1}`, `{"serial":1}`, ""},
		{"another", `{"serial":2}`, `{"serial":1}`, other + `terraform.tfstate={"serial":2}`},
		{"none", `{"serial":2}`, ``, other + `terraform.tfstate={"serial":2}`},
		{"there was none", ``, ``, ""},
		{"there was no whole one", `{"ser`, `{"ser`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, Options{})
			k := f.begin(t)
			if tt.state != "" {
				f.write(t, mainFile, tt.state)
			}
			k.Finish()
			if err := k.Confirm([]byte(tt.answer)); err != nil {
				t.Fatal(err)
			}
			f.wantList(t, tt.want)
		})
	}
}

// An apply that has left no state has nothing to keep.
func TestKeepNothing(t *testing.T) {
	f := newFixture(t, Options{})
	k := f.begin(t)
	if state := finish(k); state != "" {
		t.Errorf("a state %q", state)
	}
	if err := k.Keep("why"); err != nil {
		t.Fatal(err)
	}
	f.wantList(t, "")
}

// Each apply of a session has a record of its own.
func TestSeveralAppliesOfASession(t *testing.T) {
	f := newFixture(t, Options{})
	for i := range 2 {
		k := f.begin(t)
		f.write(t, mainFile, fmt.Sprintf(`{"serial":%d}`, i))
		k.Finish()
		if err := k.Keep("why"); err != nil {
			t.Fatal(err)
		}
	}
	f.wantList(t, `dir.1 kept (why) terraform.tfstate={"serial":0}`+"\n"+`dir.2 kept (why) terraform.tfstate={"serial":1}`)
}

// A state that is too large to be copied is moved: the work directory goes.
func TestTooLargeIsMoved(t *testing.T) {
	f := newFixture(t, Options{})
	f.write(t, mainFile, `{"serial":1}`)
	k := f.begin(t)
	if err := os.Truncate(filepath.Join(f.work, mainFile), MaxState+1); err != nil {
		t.Fatal(err)
	}
	k.Finish()
	if err := k.Keep("why"); err != nil {
		t.Fatal(err)
	}
	if err := k.Unsaved(); err != nil {
		t.Errorf("it is not saved: %v", err)
	}
	entries, err := f.List()
	if err != nil || len(entries) != 1 || len(entries[0].States) != 1 || entries[0].States[0].Bytes != MaxState+1 {
		t.Errorf("the store has %v, %v", entries, err)
	}
	if _, err := os.Lstat(filepath.Join(f.work, mainFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

// The states of an apply go on being copied where no event tells of changes: in directories below, for one.
func TestFilesBelow(t *testing.T) {
	f := newFixture(t, Options{})
	r := record("dir")
	r.Files = []string{"deep/er.json"}
	k, err := f.Begin(r, f.work)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(f.work, "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	f.write(t, "deep/er.json", `{}`)
	f.soon(t, "dir.1 in use deep/er.json={}")
	k.Finish()
	if err := k.Keep("why"); err != nil {
		t.Fatal(err)
	}
	f.wantList(t, "dir.1 kept (why) deep/er.json={}")
}

// Many applies at once have one watch, and each keeps its own.
func TestManyAtOnce(t *testing.T) {
	f := newFixture(t, Options{})
	var all sync.WaitGroup
	const n = 40
	for i := range n {
		work := t.TempDir()
		all.Go(func() {
			k, err := f.Begin(record(fmt.Sprint("dir", i)), work)
			if err != nil {
				t.Error(err)
				return
			}
			for serial := range 20 {
				if err := os.WriteFile(filepath.Join(work, mainFile), fmt.Appendf(nil, `{"of":%d,"serial":%d}`, i, serial), 0o600); err != nil {
					t.Error(err)
				}
			}
			if got, want := finish(k), fmt.Sprintf(`{"of":%d,"serial":19}`, i); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if err := k.Keep("why"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if entries, err := f.List(); err != nil || len(entries) != n {
		t.Errorf("%d records, %v; want %d", len(entries), err, n)
	}
}
