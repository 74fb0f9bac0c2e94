package store

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// crashVariable makes the test's program the one that is killed.
const crashVariable = "PROVISOR_TEST_STORE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashVariable); dir != "" {
		fmt.Fprintln(os.Stderr, changeForEver(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func digestOf(module []byte) string {
	sum := sha256.Sum256(module)
	return hex.EncodeToString(sum[:])
}

func moduleNumber(n int) []byte { return []byte(strings.Repeat(fmt.Sprintf("module %d\n", n), 20_000)) }

// add installs a version as an installation does: first its file, then the state.
func add(s *Store, n int) error {
	module := moduleNumber(n)
	version := fmt.Sprintf("%d.0.0", n)
	next := s.State().Clone()
	if next.Plugins["a"] == nil {
		next.Plugins["a"] = &Plugin{Versions: map[string]*Version{}}
	}
	next.Plugins["a"].Versions[version] = &Version{Digest: digestOf(module), Size: int64(len(module))}
	next.Plugins["a"].Active = version
	if err := s.Add(digestOf(module), module); err != nil {
		return err
	}
	return s.Save(next)
}

// remove removes a version that is not active: first from the state, then its file.
func remove(s *Store, n int) error {
	next := s.State().Clone()
	delete(next.Plugins["a"].Versions, fmt.Sprintf("%d.0.0", n))
	if err := s.Save(next); err != nil {
		return err
	}
	return s.Remove(digestOf(moduleNumber(n)))
}

func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "plugins")
	s := open(t, dir)
	for n := range 3 {
		if err := add(s, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := remove(s, 0); err != nil {
		t.Fatal(err)
	}
	// A second daemon reads what is there and changes nothing.
	second := open(t, dir)
	if !second.ReadOnly() || second.State().Plugins["a"].Active != "2.0.0" {
		t.Errorf("read-only is %v, the state %+v", second.ReadOnly(), second.State())
	}
	for _, err := range []error{second.Save(second.State()), second.Add(digests[0], nil), second.Remove(digests[0])} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("got %v", err)
		}
	}
	left := filepath.Join(dir, modulesDir, digests[0]+moduleExt)
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	checkWhole(t, s)
	if _, err := os.Stat(left); err == nil {
		t.Error("a module that nothing refers to is left")
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info.Mode(), err)
	}
}

// checkWhole checks that each version has its file, and that nothing else is there.
func checkWhole(t *testing.T, s *Store) {
	t.Helper()
	versions := 0
	for _, p := range s.State().Plugins {
		for name, v := range p.Versions {
			versions++
			if _, err := s.Module(v.Digest); err != nil {
				t.Errorf("version %s: %v", name, err)
			}
		}
	}
	files, err := os.ReadDir(filepath.Join(s.dir, modulesDir))
	if err != nil || len(files) != versions {
		t.Errorf("%d files for %d versions (%v)", len(files), versions, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, stateName), []byte(`{"format": 1, "default": "/"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "state.json is broken: ") {
		t.Errorf("a broken state: %v", err)
	}
	if _, err := Open(filepath.Join(dir, stateName), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a file was taken for a directory")
	}
	public := t.TempDir()
	if err := os.Chmod(public, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(public, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "may be written by others") {
		t.Errorf("everybody's directory: %v", err)
	}
	s := open(t, filepath.Join(dir, "good"))
	if err := add(s, 1); err != nil {
		t.Fatal(err)
	}
	digest := digestOf(moduleNumber(1))
	if err := os.WriteFile(s.path(digest), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Module(digest); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("a damaged module: %v", err)
	}
	if err := s.Save(&State{Default: "/"}); err == nil {
		t.Error("a state was kept that can't be read again")
	}
}

// changeForEver installs and removes versions until it is killed.
func changeForEver(dir string) error {
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	next := 0
	if p := s.State().Plugins["a"]; p != nil {
		if _, err := fmt.Sscanf(p.Active, "%d.0.0", &next); err != nil {
			return err
		}
		next++
	}
	for ; ; next++ {
		if err := add(s, next); err != nil {
			return err
		}
		fmt.Println("changed")
		if p := s.State().Plugins["a"]; next > 2 && p.Versions[fmt.Sprintf("%d.0.0", next-2)] != nil {
			if err := remove(s, next-2); err != nil {
				return err
			}
		}
	}
}

// TestKill kills a process while it changes a store, again and again: the store is whole each time, and never older than before.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	newest, changed := -1, 0
	for range 25 {
		kill(t, dir, rng.IntN(3), time.Duration(rng.IntN(40_000))*time.Microsecond)
		s := open(t, dir)
		checkWhole(t, s)
		n := -1
		if p := s.State().Plugins["a"]; p != nil {
			if _, err := fmt.Sscanf(p.Active, "%d.0.0", &n); err != nil {
				t.Fatal(err)
			}
		}
		if n < newest {
			t.Errorf("version %d is active after a kill, it was %d", n, newest)
		}
		if n > newest {
			changed++
		}
		newest = n
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if changed < 5 {
		t.Errorf("only %d of 25 processes got as far as a change: this proves little", changed)
	}
	t.Logf("%d of 25 killed processes had changed something, %d versions in all", changed, newest+1)
}

// kill kills a process that changes the store a while after it has changed it so often.
func kill(t *testing.T, dir string, changes int, after time.Duration) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), crashVariable+"="+dir)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	for range 1 + changes {
		if !said.Scan() {
			t.Errorf("it ended before it was killed: %v", said.Err())
		}
	}
	time.Sleep(after)
	if err := c.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = c.Wait() // killed
}
