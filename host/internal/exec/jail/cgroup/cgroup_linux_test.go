package cgroup

import (
	"errors"
	"io/fs"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/provisor/provisor/host/internal/daemontest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func find(t *testing.T) *Place {
	t.Helper()
	p, err := Find()
	if err != nil {
		t.Skip("this process can't make cgroups: ", err)
	}
	t.Log(p)
	return p
}

// inside starts a shell in a group, as a jail's supervisor does, and returns when the script has printed a line.
func inside(t *testing.T, g *Group, script string) {
	t.Helper()
	tasks, err := g.Tasks()
	if err != nil {
		t.Fatal(err)
	}
	cmd := osexec.Command("/bin/sh", "-c", `for fd in $FDS; do eval "echo 0 >&$fd"; eval "exec $fd>&-"; done; `+script)
	for _, f := range tasks {
		defer f.Close()
	}
	cmd.ExtraFiles = tasks
	cmd.Env = []string{"PATH=/usr/bin:/bin", "FDS=" + strings.Join([]string{"3", "4", "5", "6"}[:len(tasks)], " ")}
	cmd.Stderr = os.Stderr
	if start := g.Start(); start >= 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: start}
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-over })
	defer func() {
		go func() { // it is this process's child, and would stay as a zombie
			_ = cmd.Wait()
			close(over)
		}()
	}()
	if _, err := out.Read(make([]byte, 100)); err != nil {
		t.Fatal("the script has not begun: ", err)
	}
}

func paths(g *Group) (list []string) {
	for _, d := range g.directories {
		list = append(list, d.path)
	}
	return list
}

func gone(t *testing.T, paths []string) {
	t.Helper()
	for _, path := range paths {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Whatever is left in a group dies with it, groups that it has made itself as well.
func TestRemoveKills(t *testing.T) {
	g, err := find(t).New(Limits{Memory: 1 << 30, Processes: 100})
	if err != nil {
		t.Fatal(err)
	}
	inside(t, g, `setsid sh -c "trap '' INT TERM HUP; sleep 1000 & sleep 1000" & echo; sleep 1000`)
	own := paths(g)
	if g.directories[0].version == 1 {
		nested := filepath.Join(own[0], "nested")
		if err := os.Mkdir(nested, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var inside []int
	for range 500 {
		if inside, err = processesIn(own[len(own)-1]); err != nil {
			t.Fatal(err)
		}
		if len(inside) >= 4 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
	gone(t, own)
	for _, pid := range inside {
		if stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat")); err == nil && !strings.Contains(string(stat), ") Z ") {
			t.Errorf("process %d lives: %s", pid, stat)
		}
	}
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
}

// The most memory that one program took says nothing of why the next one was killed.
func TestMostMemoryIsForgotten(t *testing.T) {
	g, err := find(t).New(Limits{Memory: 64 << 20, Processes: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Remove()
	for _, d := range g.directories {
		if !d.has(memory) || d.version != 1 {
			continue
		}
		inside(t, g, "head -c 60M /dev/zero | tail -c 60M >/dev/null; echo")
		if !d.nearLimit() {
			t.Error("it is not near the limit")
		}
		g.Hits()
		if d.nearLimit() {
			t.Error("it is still near the limit")
		}
	}
}

// What a dead daemon has left is removed by the next, and what is in use is not.
func TestSweep(t *testing.T) {
	p := find(t)
	dead, err := p.New(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	used, err := p.New(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer used.Remove()
	inside(t, dead, `echo; sleep 1000`)
	for _, lock := range dead.Locks() {
		lock.Close() // as the end of a process would
	}
	daemontest.Soon(func() bool { // another test's sweep may be at it
		if _, err := Find(); err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(paths(dead), func(path string) bool { _, err := os.Lstat(path); return err == nil })
	})
	gone(t, paths(dead))
	for _, path := range paths(used) {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
}
