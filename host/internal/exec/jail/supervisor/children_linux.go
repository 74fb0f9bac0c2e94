package supervisor

import (
	"bytes"
	"os"
	"strconv"
	"syscall"

	"github.com/provisor/provisor/host/internal/exec/jail/supervisor/kernel"
)

// children are the processes that a supervisor is responsible for: the program and all that it starts. As the first process of a pid
// namespace, or as a subreaper, the supervisor becomes the parent of what loses its own.
type children struct {
	program int
	reaped  bool // the program's id is no longer its own
}

// reap reaps what has ended. It returns the program's end, if that is among it, and whether there are children left.
func (c *children) reap() (program *Exit, left bool) {
	for {
		var status syscall.WaitStatus
		var usage syscall.Rusage
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG|syscall.WALL, &usage)
		switch {
		case err == syscall.EINTR:
		case err != nil: // ECHILD
			return program, false
		case pid == 0:
			return program, true
		case pid == c.program && !c.reaped:
			c.reaped = true
			program = &Exit{Status: status, MaxRSS: usage.Maxrss << 10}
		}
	}
}

// interrupt asks the program itself to end.
func (c *children) interrupt() {
	if !c.reaped {
		_ = syscall.Kill(c.program, syscall.SIGINT)
	}
}

// kill kills all that there is at this moment.
func (c *children) kill(first bool) {
	if first {
		_ = syscall.Kill(-1, syscall.SIGKILL) // the whole pid namespace but its first process
		return
	}
	for _, d := range descendants(os.Getpid()) {
		d.kill()
	}
}

// process is a process as /proc shows it.
type process struct{ pid, parent int }

// kill kills the process, unless its id is another's by now.
func (p process) kill() {
	fd, err := kernel.PidfdOpen(p.pid)
	if err != nil {
		return
	}
	defer syscall.Close(fd)
	if parent, ok := parentOf(p.pid); ok && (parent == p.parent || parent == os.Getpid()) {
		_ = kernel.PidfdSendSignal(fd, syscall.SIGKILL)
	}
}

// Descendants lists the ids of the processes below one.
func Descendants(of int) []int {
	var pids []int
	for _, d := range descendants(of) {
		pids = append(pids, d.pid)
	}
	return pids
}

// descendants lists the processes below one.
func descendants(of int) []process {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	below := map[int][]int{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if parent, ok := parentOf(pid); ok {
			below[parent] = append(below[parent], pid)
		}
	}
	var found []process
	for parents := []int{of}; len(parents) > 0; parents = parents[1:] {
		for _, pid := range below[parents[0]] {
			found = append(found, process{pid, parents[0]})
			parents = append(parents, pid)
		}
	}
	return found
}

// parentOf reads a process's parent.
func parentOf(pid int) (int, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	// "pid (name) state ppid ...", where the name may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return parent, err == nil
}
