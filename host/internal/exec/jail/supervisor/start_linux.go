package supervisor

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// start starts the program. What binds it is taken on by a thread of this process and inherited by the program: nothing has to be
// executed in between. The thread does nothing else and stays until the program is gone, since Linux kills a child with its parent's thread.
func (p *program) start() *Failure {
	started := make(chan *Failure)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this function
		failure := p.confine()
		if failure == nil && !p.Try {
			failure = p.launch()
		}
		started <- failure
		<-p.over
	}()
	failure := <-started
	closeAll(p.streams()) // so that the streams end with those that the program leaves
	return failure
}

// launch executes the program as a child of the calling thread.
func (p *program) launch() *Failure {
	var streams []uintptr
	for _, fd := range p.streams() {
		streams = append(streams, uintptr(fd))
	}
	restore, err := p.inheritLimit()
	if err != nil {
		return failed(LayerLimits, "limit the number of processes", err)
	}
	defer restore()
	pid, err := syscall.ForkExec(p.Path, p.Args, &syscall.ProcAttr{
		Dir:   p.Dir,
		Env:   p.Env,
		Files: streams,
		// A process group of its own: what the program sends to its group does not reach the supervisor.
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL},
	})
	if err != nil {
		return failed("", "", &os.PathError{Op: "fork/exec", Path: p.Path, Err: err})
	}
	p.children = &children{program: pid}
	if p.Processes > 0 {
		limit := unix.Rlimit{Cur: p.Processes, Max: p.Processes}
		if err := unix.Prlimit(pid, unix.RLIMIT_NPROC, &limit, nil); err != nil {
			return failed(LayerLimits, "limit the number of processes", err)
		}
	}
	return nil
}

// inheritLimit has the program begin with a limit on processes, which it could raise until the hard one is set. The supervisor lets go of it at
// once: it counts itself, and could make no more threads.
func (p *program) inheritLimit() (restore func(), err error) {
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &own); err != nil || p.Processes == 0 {
		return func() {}, err
	}
	soft := unix.Rlimit{Cur: min(p.Processes, own.Max), Max: own.Max}
	return func() { _ = unix.Setrlimit(unix.RLIMIT_NPROC, &own) }, unix.Setrlimit(unix.RLIMIT_NPROC, &soft)
}
