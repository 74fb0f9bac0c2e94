package exec

import (
	"os"
	osexec "os/exec"
	"syscall"

	"github.com/provisor/provisor/host/internal/exec/jail"
	"github.com/provisor/provisor/proto/guestpb"
)

// jailed is a tree in a jail.
type jailed struct {
	*jail.Process
	program *Program
	status  syscall.WaitStatus
	maxRSS  int64
	lost    error // the supervisor did not live to see the program's end
	gone    error
}

func (p *Program) startJailed(cmd *osexec.Cmd, ends *pipeEnds) (tree, error) {
	command := jail.Command{
		Path: cmd.Path, Args: p.Args, Env: cmd.Env, Dir: cmd.Dir, Cell: p.Cell, ExitTimeout: p.ExitTimeout,
		Stdout: ends.child[0], Stderr: ends.child[1], Drains: []*os.File{ends.outputs[0].File, ends.outputs[1].File}, Holds: p.Holds, Keep: p.Keep,
		Supervisors: p.Supervisors,
	}
	if p.Stdin {
		command.Stdin = ends.child[2]
	}
	process, err := p.Jail.Start(command)
	if err != nil {
		return nil, err
	}
	return &jailed{Process: process, program: p}, nil
}

func (j *jailed) awaitExit() {
	exit, err := j.AwaitExit()
	if err != nil {
		j.lost, j.status = err, syscall.WaitStatus(syscall.SIGKILL) // the program dies with its supervisor
		return
	}
	j.status, j.maxRSS = exit.Status, exit.MaxRSS
}

func (j *jailed) finish() (*guestpb.ExecResult, bool) {
	j.gone = j.Finish()
	r := &guestpb.ExecResult{ExitCode: -1, MaxRssBytes: j.maxRSS}
	if j.status.Exited() {
		r.ExitCode = int32(j.status.ExitStatus())
	} else {
		r.Signal = j.status.Signal().String()
	}
	return r, j.status.Signaled() && j.status.Signal() == syscall.SIGKILL
}

func (j *jailed) processes() []int { return j.Processes() }

func (j *jailed) limit() error {
	switch hits := j.Hits(); {
	case hits.Memory:
		return j.program.overMemory()
	case hits.Processes:
		return j.program.overProcesses()
	}
	return nil
}

func (j *jailed) awaitGone() error {
	if j.gone == nil {
		return j.lost
	}
	return j.gone
}

func (j *jailed) interrupt() error { j.Interrupt(); return nil }

func (j *jailed) kill() error { j.Kill(); return nil }
