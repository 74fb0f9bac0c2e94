package exec

import (
	osexec "os/exec"

	"github.com/provisor/provisor/proto/guestpb"
)

// tree is a running program with all that it has started.
type tree interface {
	// awaitExit waits until the program itself has exited.
	awaitExit()
	// finish kills what is left, and returns how the program ended, and whether it was killed.
	finish() (*guestpb.ExecResult, bool)
	// processes lists those that there are at this moment, as far as they can be told.
	processes() []int
	// limit is the limit of its jail that the program has hit, or nil; finish has been called.
	limit() error
	// awaitGone waits until nothing is left; finish has been called.
	awaitGone() error
	// interrupt asks the program itself to end.
	interrupt() error
	// kill ends all of it at once.
	kill() error
}

// start starts the program, in its jail if it has one.
func (p *Program) start(cmd *osexec.Cmd, ends *pipeEnds) (tree, error) {
	if p.Jail != nil {
		return p.startJailed(cmd, ends)
	}
	g := newGroup(cmd)
	err := cmd.Start()
	if err == nil {
		err = g.started(cmd.Process)
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

// reap is how a program ended that is no longer there.
func reap(cmd *osexec.Cmd) (*guestpb.ExecResult, bool) {
	if cmd.ProcessState == nil {
		_ = cmd.Wait() // its error is the exit status, which ProcessState has
	}
	return exitOf(cmd.ProcessState), wasKilled(cmd.ProcessState)
}

// processes: of others than the program nothing is known.
func (g *group) processes() []int { return []int{g.process.Pid} }

// limit: without a jail there is none.
func (g *group) limit() error { return nil }
