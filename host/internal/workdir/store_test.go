package workdir

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/host/internal/workdir/recovery"
)

// TestMain is also the daemon that the tests kill: with a root in its environment, it opens a store, makes a session with
// a file in each directory, says where, and waits.
func TestMain(m *testing.M) {
	if root := os.Getenv("WORKDIR_TEST_ROOT"); root != "" {
		if err := daemon(root); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func daemon(root string) error {
	s, err := Open(root, states(root), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	session, err := s.Create(tenant.Default)
	if err != nil {
		return err
	}
	for _, dir := range dirs(session) {
		if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
			return err
		}
	}
	fmt.Printf("%s\n%s\n", session.Root, session.EngineTmp)
	_, err = os.Stdin.Read(make([]byte, 1))
	return err
}

// states opens a recovery store beside the root of session directories.
func states(root string) *recovery.Store {
	s, err := recovery.Open(recovery.Options{Dir: root + "-recovery"})
	if err != nil {
		panic(err)
	}
	return s
}

func dirs(s *Session) []string { return []string{s.Work, s.Tmp, s.Home, s.EngineTmp} }

func open(t *testing.T, root string) (*Store, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := Open(root, states(root), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, &log
}

func create(t *testing.T, s *Store, who tenant.Tenant) *Session {
	t.Helper()
	session, err := s.Create(who)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func TestCreateAndRemove(t *testing.T) {
	root := filepath.Join(t.TempDir(), "made", "for", "us")
	s, _ := open(t, root)
	acme, err := tenant.Parse("acme")
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := create(t, s, tenant.Default), create(t, s, tenant.Default), create(t, s, acme)
	seen := map[string]bool{}
	for _, session := range []*Session{a, b, c} {
		for _, dir := range append(dirs(session), session.Root) {
			info, err := os.Stat(dir)
			if err != nil || !info.IsDir() || !filepath.IsAbs(dir) {
				t.Errorf("%s is no absolute directory: %v", dir, err)
			}
			if runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
				t.Errorf("%s has mode %v", dir, info.Mode())
			}
			if seen[dir] {
				t.Errorf("%s is shared", dir)
			}
			seen[dir] = true
		}
		if !sessionID.MatchString(session.ID) {
			t.Errorf("session ID %q", session.ID)
		}
	}
	for session, tenantDir := range map[*Session]string{a: "default", c: "acme"} {
		info, err := os.Stat(filepath.Join(root, tenantDir))
		if err != nil || filepath.Dir(session.Root) != filepath.Join(root, tenantDir) {
			t.Fatal(session.Root, err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
			t.Errorf("tenant's directory has mode %v", info.Mode())
		}
	}
	for range 2 {
		if err := a.Remove(); err != nil {
			t.Error(err)
		}
	}
	if exists(a.Root) || !exists(b.Root) || !exists(c.Root) {
		t.Error("exactly the first session's directory must be gone")
	}
	if _, err := s.Create(tenant.Tenant{}); err == nil {
		t.Error("a session of no tenant was created")
	}
}

func TestOpenRefusesWhatEverybodyWrites(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing on Windows")
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(root, states(root), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "writable by everybody") {
		t.Errorf("got %v", err)
	}
}

func TestOpenSweepsDeadDaemons(t *testing.T) {
	tests := []struct{ name, root string }{
		{"short root", "r"},
		{"root too long for sockets", strings.Repeat("long", 20)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), test.root)
			dead, deadDirs := startDaemon(t, root)
			living, livingDirs := startDaemon(t, root)
			mine, _ := open(t, root)
			own := create(t, mine, tenant.Default)
			kept := filepath.Join(root, "default", ".kept")
			stranger := filepath.Join(root, "default", "notes")
			for _, dir := range []string{kept, stranger} {
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			dead.stop(t)

			_, log := open(t, root)
			for _, dir := range deadDirs {
				if exists(dir) {
					t.Errorf("%s of a dead daemon is still there", dir)
				}
			}
			for _, path := range append(append(dirs(own), livingDirs...), kept, stranger) {
				if !exists(path) {
					t.Errorf("%s was removed", path)
				}
			}
			if !strings.Contains(log.String(), "count=1") {
				t.Errorf("log: %s", log)
			}
			living.stop(t)
			_, log = open(t, root)
			if exists(livingDirs[0]) || exists(livingDirs[1]) || !strings.Contains(log.String(), "count=1") {
				t.Errorf("the second dead daemon's directories: %v, log %s", livingDirs, log)
			}
			if err := own.Remove(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A daemon that is killed while it removes its lock file leaves sessions without one.
func TestOpenSweepsSessionsWithoutALock(t *testing.T) {
	root := t.TempDir()
	orphan := filepath.Join(root, "default", "aaaaaaaa-bbbbbbbb", "work")
	if err := os.MkdirAll(orphan, 0o700); err != nil {
		t.Fatal(err)
	}
	_, log := open(t, root)
	if exists(filepath.Dir(orphan)) {
		t.Error("it is still there; log:", log)
	}
}

// The file that says where a dead run's short directory is must not make a sweep remove anything else.
func TestSweepDistrustsItsHints(t *testing.T) {
	root, victim := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(root, runsDir), 0o700); err != nil {
		t.Fatal(err)
	}
	hint := filepath.Join(root, runsDir, "aaaaaaaa.short")
	if err := os.WriteFile(hint, []byte(victim), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, root)
	if !exists(victim) {
		t.Error("the sweep removed what a file told it to")
	}
	if exists(hint) {
		t.Error("the hint is still there")
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	root := filepath.Join(t.TempDir(), strings.Repeat("long", 20))
	s, err := Open(root, states(root), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	session := create(t, s, tenant.Default)
	if len(session.EngineTmp) > socketDirMax {
		t.Errorf("%s is too long for sockets", session.EngineTmp)
	}
	sock, err := net.Listen("unix", filepath.Join(session.EngineTmp, "plugin1234567890"))
	if err != nil {
		t.Fatal(err)
	}
	sock.Close()
	if err := session.Remove(); err != nil {
		t.Error(err)
	}
	short := filepath.Dir(session.EngineTmp)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	runs, err := os.ReadDir(filepath.Join(root, runsDir))
	if err != nil || len(runs) != 0 || exists(short) {
		t.Errorf("left: %v, %s: %v, %v", runs, short, exists(short), err)
	}
}

// Stores that open, work and close at once never take each other's directories away.
func TestStoresShareARoot(t *testing.T) {
	root := t.TempDir()
	var stores sync.WaitGroup
	for range 8 {
		stores.Go(func() {
			for range 10 {
				if err := useStore(root); err != nil {
					t.Error(err)
				}
			}
		})
	}
	stores.Wait()
	open(t, root)
	if left, err := os.ReadDir(filepath.Join(root, "default")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func useStore(root string) error {
	s, err := Open(root, states(root), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	session, err := s.Create(tenant.Default)
	if err != nil {
		return err
	}
	for _, dir := range dirs(session) {
		if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
			return err
		}
		runtime.Gosched()
		if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
			return err
		}
	}
	return errors.Join(session.Remove(), s.Close())
}

type killable struct{ cmd *exec.Cmd }

// startDaemon runs another process with a store and a session, and returns the session's root and temporary directory.
func startDaemon(t *testing.T, root string) (*killable, []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "WORKDIR_TEST_ROOT="+root)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // held open: the daemon waits for it
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &killable{cmd}
	t.Cleanup(func() { d.stop(t) })
	lines := bufio.NewScanner(out)
	var made []string
	for len(made) < 2 && lines.Scan() {
		made = append(made, lines.Text())
	}
	if len(made) != 2 || !exists(made[0]) || !exists(made[1]) {
		t.Fatal("the daemon made", made, lines.Err())
	}
	return d, made
}

func (d *killable) stop(t *testing.T) {
	t.Helper()
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}
