//go:build unix

package exec

import (
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
)

// goneTimeout is how long processes that were killed may take to disappear (they may be in the middle of a slow write).
const goneTimeout = 10 * time.Second

// group is the process group that a program leads.
type group struct {
	cmd     *osexec.Cmd
	process *os.Process

	mu sync.Mutex
	// finished: the leader is about to be reaped, so the group's id is no longer safe to signal.
	finished bool
}

// newGroup makes cmd start in a process group of its own.
func newGroup(cmd *osexec.Cmd) *group {
	cmd.SysProcAttr = groupAttr()
	return &group{cmd: cmd}
}

func (g *group) started(p *os.Process) error {
	g.process = p
	return nil
}

func (g *group) interrupt() error {
	err := g.process.Signal(syscall.SIGINT)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

func (g *group) kill() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.finished {
		return nil
	}
	err := syscall.Kill(-g.process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

func (g *group) awaitExit() { awaitExit(g.cmd) }

// finish kills what is left of the group, for the last time, and then reaps the program: until then nobody else can get the group's id.
func (g *group) finish() (*guestpb.ExecResult, bool) {
	_ = g.kill()
	g.mu.Lock()
	g.finished = true
	g.mu.Unlock()
	return reap(g.cmd)
}

// awaitGone waits until no process of the group is left. They were killed before the leader was reaped.
func (g *group) awaitGone() error {
	pause := 50 * time.Microsecond
	for deadline := time.Now().Add(goneTimeout); ; pause = min(2*pause, 20*time.Millisecond) {
		if errors.Is(syscall.Kill(-g.process.Pid, 0), syscall.ESRCH) {
			return nil
		}
		if pause > 5*time.Millisecond && onlyZombies(g.process.Pid) {
			return nil // a container's first process may never reap them; they can do no more harm
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes of group %d are still there %v after they were killed: %w", g.process.Pid, goneTimeout, abi.IO)
		}
		time.Sleep(pause)
	}
}
