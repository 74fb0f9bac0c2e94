package exec

import (
	"fmt"
	"os"
	osexec "os/exec"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/provisor/provisor/proto/guestpb"
)

// group is the job object that a program and its descendants live in.
type group struct {
	cmd     *osexec.Cmd
	process *os.Process

	mu  sync.Mutex
	job windows.Handle // 0 once it is let go of
}

// newGroup makes cmd start in a console group of its own, so that it alone gets the break event.
func newGroup(cmd *osexec.Cmd) *group {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
	return &group{cmd: cmd}
}

// started puts the process into a job that ends with the daemon. What the program starts before that is not in it.
func (g *group) started(p *os.Process) error {
	g.process = p
	err := g.assign()
	if err != nil {
		_ = p.Kill()
		_, _ = p.Wait()
		return fmt.Errorf("job object: %w", err)
	}
	return nil
}

func (g *group) assign() error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return err
	}
	info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err == nil {
		var h windows.Handle
		h, err = windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(g.process.Pid))
		if err == nil {
			err = windows.AssignProcessToJobObject(job, h)
			_ = windows.CloseHandle(h)
		}
	}
	if err != nil {
		_ = windows.CloseHandle(job)
		return err
	}
	g.job = job
	return nil
}

func (g *group) interrupt() error {
	return windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(g.process.Pid))
}

func (g *group) kill() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.job == 0 {
		return nil
	}
	return windows.TerminateJobObject(g.job, killedExitCode)
}

func (g *group) finish() (*guestpb.ExecResult, bool) {
	_ = g.kill()
	return reap(g.cmd)
}

// awaitGone lets go of the job, which ends the last of its processes.
func (g *group) awaitGone() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	job := g.job
	g.job = 0
	return windows.CloseHandle(job)
}

func (g *group) awaitExit() { _ = g.cmd.Wait() }
