package supervisor

import (
	"os"
	"runtime"
	"syscall"

	"github.com/provisor/provisor/host/internal/exec/jail/supervisor/kernel"
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
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return failed("", "", &os.PathError{Op: "fork/exec", Path: p.Path, Err: err})
	}
	p.children = &children{program: pid}
	if p.Processes > 0 {
		limit := syscall.Rlimit{Cur: p.Processes, Max: p.Processes}
		if err := kernel.Prlimit(pid, kernel.RLIMIT_NPROC, &limit); err != nil {
			return failed(LayerLimits, "limit the number of processes", err)
		}
	}
	return nil
}

// inheritLimit has the program begin with a limit on processes, which it could raise until the hard one is set. The supervisor lets go of it at
// once: it counts itself, and could make no more threads.
func (p *program) inheritLimit() (restore func(), err error) {
	var own syscall.Rlimit
	if err := syscall.Getrlimit(kernel.RLIMIT_NPROC, &own); err != nil || p.Processes == 0 {
		return func() {}, err
	}
	soft := syscall.Rlimit{Cur: min(p.Processes, own.Max), Max: own.Max}
	return func() { _ = syscall.Setrlimit(kernel.RLIMIT_NPROC, &own) }, syscall.Setrlimit(kernel.RLIMIT_NPROC, &soft)
}
