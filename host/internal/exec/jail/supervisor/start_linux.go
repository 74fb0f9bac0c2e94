package supervisor

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// start starts the program. What binds it is taken on by a thread of this process and inherited by the program: nothing has to be
// executed in between. The thread does nothing else and stays, since Linux kills a child with its parent's thread.
func (s *supervisor) start() *Failure {
	started := make(chan *Failure)
	go func() {
		runtime.LockOSThread()
		failure := s.confine()
		if failure == nil && !s.Try {
			failure = s.launch()
		}
		started <- failure
		select {}
	}()
	failure := <-started
	for _, fd := range []int{StdinFile, StdoutFile, StderrFile} {
		_ = unix.Close(fd) // so that the streams end with those that the program leaves
	}
	return failure
}

// launch executes the program as a child of the calling thread.
func (s *supervisor) launch() *Failure {
	pid, err := syscall.ForkExec(s.Path, s.Args, &syscall.ProcAttr{
		Dir:   s.Dir,
		Env:   s.Env,
		Files: []uintptr{StdinFile, StdoutFile, StderrFile},
		// A process group of its own: what the program sends to its group does not reach the supervisor.
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL},
	})
	if err != nil {
		return failed("", "", &os.PathError{Op: "fork/exec", Path: s.Path, Err: err})
	}
	s.children = &children{program: pid}
	if s.Processes > 0 {
		// Not for the supervisor: it would count itself, and could make no more threads.
		limit := unix.Rlimit{Cur: s.Processes, Max: s.Processes}
		if err := unix.Prlimit(pid, unix.RLIMIT_NPROC, &limit, nil); err != nil {
			return failed(LayerLimits, "limit the number of processes", err)
		}
	}
	return nil
}
