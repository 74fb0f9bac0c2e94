package workdir

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/host/internal/workdir/recovery"
)

const stateFile = "terraform.tfstate"

// apply begins an apply in the session, as the host does.
func apply(t *testing.T, states *recovery.Store, s *Session) *recovery.Keeper {
	t.Helper()
	k, err := states.Begin(recovery.Record{Tenant: "default", Session: "s", Directory: s.ID, Files: []string{stateFile}}, s.Work)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func writeState(t *testing.T, s *Session, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.Work, stateFile), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// records are the store's records: why each is kept, and its state.
func records(t *testing.T, states *recovery.Store) string {
	t.Helper()
	entries, err := states.List()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s:", e.Status)
		for _, s := range e.States {
			content, err := s.Read()
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, " %s", content)
		}
	}
	return b.String()
}

// The directory of a daemon that died in an apply goes only once its state is in the recovery store.
func TestSweepRescuesStates(t *testing.T) {
	root := filepath.Join(t.TempDir(), "r")
	daemon, dirs := startDaemon(t, root)
	id := filepath.Base(dirs[0])
	kept := states(root)
	s := &Session{ID: id, Root: dirs[0], Work: filepath.Join(dirs[0], "work")}
	k := apply(t, kept, s)
	k.Finish() // this process is not the one that dies; its record stays unsettled
	writeState(t, s, `{"serial":2}`)

	living, _ := open(t, root)
	if got := records(t, kept); got != "in use:" || !living.Alive(id) {
		t.Errorf("while the daemon lives: %s, alive %t", got, living.Alive(id))
	}
	daemon.stop(t)
	if living.Alive(id) {
		t.Error("the daemon is dead, and its session is said to be alive")
	}
	_, log := open(t, root)
	if got := records(t, kept); got != `kept: {"serial":2}` {
		t.Errorf("after the daemon's death: %s", got)
	}
	if exists(dirs[0]) || !strings.Contains(log.String(), "count=1") {
		t.Errorf("the directory is still there: %t; log %s", exists(dirs[0]), log)
	}
}

// What a run leaves stays as long as a process of it holds the lock; the next sweep after that settles it.
func TestHold(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("nothing outlives its daemon on Windows")
	}
	root := filepath.Join(t.TempDir(), "r")
	dead, err := Open(root, states(root), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	session := create(t, dead, tenant.Default)
	held, err := dead.Hold()
	if err != nil {
		t.Fatal(err)
	}
	path := dead.lock.Path()
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	// As a process leaves it that was killed: with the lock's file.
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	held.Close()
	other := &Store{root: root, run: dead.run, lock: dead.lock}
	if held, err = other.Hold(); err != nil {
		t.Fatal(err)
	}
	next, _ := open(t, root)
	if !exists(session.Root) || !next.Alive(session.ID) {
		t.Error("a session that a process is at work in was swept")
	}
	held.Close()
	next.sweep()
	if exists(session.Root) {
		t.Error("the session is over, and was not swept")
	}
}

// A session whose state could not be saved keeps its directory until it could.
func TestAbandon(t *testing.T) {
	root := filepath.Join(t.TempDir(), "r")
	s, log := open(t, root)
	session := create(t, s, tenant.Default)
	k := apply(t, s.recovery, session)
	k.Finish()
	writeState(t, session, `{"serial":3}`)
	s.sweep()
	if !exists(session.Root) {
		t.Fatal("a living session was swept")
	}
	s.Abandon(session, errors.New("the disk is full"))
	s.sweep()
	if got := records(t, s.recovery); got != `kept: {"serial":3}` || exists(session.Root) {
		t.Errorf("records %s, the directory is still there: %t, log %s", got, exists(session.Root), log)
	}
}

// A record that can't be read may stand for a state that is nowhere else: the session's directory stays, and that is said once.
func TestDamagedRecordKeepsTheDirectory(t *testing.T) {
	root := filepath.Join(t.TempDir(), "r")
	orphan := &Session{ID: "aaaaaaaa-bbbbbbbb", Root: filepath.Join(root, "default", "aaaaaaaa-bbbbbbbb")}
	orphan.Work = filepath.Join(orphan.Root, "work")
	if err := os.MkdirAll(orphan.Work, 0o700); err != nil {
		t.Fatal(err)
	}
	kept := states(root)
	apply(t, kept, orphan).Finish()
	if err := os.WriteFile(filepath.Join(root+"-recovery", "default", orphan.ID+".1", "record"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, log := open(t, root)
	s.sweep()
	if !exists(orphan.Work) || bytes.Count(log.Bytes(), []byte("stays")) != 1 {
		t.Errorf("the directory is there: %t; log %s", exists(orphan.Work), log)
	}
}
