package jail

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host/internal/exec/jail/cgroup"
	"github.com/provisor/provisor/host/internal/exec/jail/supervisor"
)

const (
	// killTimeout is how long a supervisor may take to kill a tree before it is killed itself.
	killTimeout = 10 * time.Second
	// self is this program, also if its file has been replaced or removed.
	self = "/proc/self/exe"
)

// supervisorEnv is the environment of supervisors: they need little, and must not take room from the program. The last is for tests with the
// race detector, which would have each of them wait for a second at its end.
var supervisorEnv = []string{"GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=32MiB", "GORACE=atexit_sleep_ms=0"}

// Process is a program in a jail, with its supervisor.
type Process struct {
	supervisor *osexec.Cmd
	pidfd      int
	events     io.Reader
	programCPU time.Duration // as the supervisor tells it

	mu      sync.Mutex // over what follows
	control *os.File
	killing *time.Timer // kills the supervisor
	group   *cgroup.Group
	hits    cgroup.Hits
	over    bool
}

// Start starts a program in the jail. The caller must call Finish in the end.
func (j *Jail) Start(c Command) (*Process, error) {
	stdin := c.Stdin
	if stdin == nil {
		var err error
		if stdin, err = os.Open(os.DevNull); err != nil {
			return nil, err
		}
		defer stdin.Close()
	}
	c.Stdin = stdin
	return j.start(&supervisor.Spec{
		Path: c.Path, Args: append([]string{c.Path}, c.Args...), Env: c.Env, Dir: c.Dir, ExitTimeout: c.ExitTimeout, Drains: len(c.Drains), Keep: c.Keep,
	}, &c)
}

// start starts a supervisor.
func (j *Jail) start(spec *supervisor.Spec, c *Command) (_ *Process, err error) {
	control, child, err := socketpair()
	if err != nil {
		return nil, fmt.Errorf("jail: make the control socket: %w", err)
	}
	defer child.Close()
	p := &Process{control: control, events: bufio.NewReader(control), pidfd: -1}
	// A session of its own: what a terminal sends to its processes does not reach the program, and there is no terminal to write to.
	attr := &syscall.SysProcAttr{Setsid: true, PidFD: &p.pidfd}
	tasks, err := j.group(&c.Cell, p, attr)
	defer func() {
		for _, f := range tasks {
			f.Close()
		}
		if err != nil && p.group != nil {
			err = errors.Join(err, p.group.Remove())
		}
	}()
	if err != nil {
		return nil, errors.Join(&supervisor.Failure{Layer: string(Cgroup), What: "make a cgroup", Text: err.Error()}, control.Close())
	}
	holds := c.Holds
	if p.group != nil {
		holds = slices.Concat(p.group.Locks(), holds)
	}
	if j.works[User] && c.Cell.User != 0 {
		if err := giveStreams(c); err != nil {
			return nil, errors.Join(&supervisor.Failure{Layer: string(User), What: "give it its streams", Text: err.Error()}, control.Close())
		}
	}
	spec.Tasks, spec.Holds = len(tasks), len(holds)
	p.supervisor = &osexec.Cmd{
		Path: self, Args: []string{supervisor.Name}, Env: supervisorEnv, Dir: "/", SysProcAttr: attr,
		ExtraFiles: slices.Concat([]*os.File{child, c.Stdin, c.Stdout, c.Stderr}, c.Drains, tasks, holds),
	}
	j.enter(&c.Cell, spec, attr)
	if err := p.supervisor.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("jail: start the supervisor: %w", err), control.Close())
	}
	child.Close()
	if err := p.begin(spec, c.Drains); err != nil {
		_ = p.Finish() // the supervisor ends with an error
		return nil, err
	}
	return p, nil
}

// giveStreams makes the program's ends of its pipes its user's: /dev/stdout and the like are opened once more.
func giveStreams(c *Command) error {
	for _, f := range []*os.File{c.Stdin, c.Stdout, c.Stderr} {
		info, err := f.Stat()
		if err == nil && info.Mode().Type() == os.ModeNamedPipe {
			err = f.Chown(c.Cell.User, c.Cell.User)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// group makes the cgroup for a program. It returns the files by which the program gets into it.
func (j *Jail) group(c *Cell, p *Process, attr *syscall.SysProcAttr) (tasks []*os.File, err error) {
	if !j.works[Cgroup] {
		return nil, nil
	}
	if p.group, err = j.cgroups.New(cgroup.Limits{Memory: c.Memory, Processes: c.Processes}); err != nil {
		return nil, err
	}
	if start := p.group.Start(); start >= 0 {
		attr.UseCgroupFD, attr.CgroupFD = true, start
	}
	return p.group.Tasks()
}

// socketpair makes the control socket: this process's end, and the supervisor's.
func socketpair() (control, child *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	child = os.NewFile(uintptr(fds[1]), "control")
	if err := unix.SetNonblock(fds[0], true); err != nil { // so that waiting for events takes no thread
		return nil, nil, errors.Join(err, unix.Close(fds[0]), child.Close())
	}
	return os.NewFile(uintptr(fds[0]), "control"), child, nil
}

// unblock undoes what os/exec does to files that it passes on: each read that waits would take a thread, and keep Go's monitor awake.
func unblock(files []*os.File) error {
	for _, f := range files {
		conn, err := f.SyscallConn()
		if err != nil {
			return err
		}
		var refused error
		err = conn.Control(func(fd uintptr) { refused = unix.SetNonblock(int(fd), true) })
		if err := errors.Join(err, refused); err != nil {
			return err
		}
	}
	return nil
}

// begin tells the supervisor what to run and waits until it does.
func (p *Process) begin(spec *supervisor.Spec, drains []*os.File) error {
	if err := unblock(drains); err != nil {
		return fmt.Errorf("jail: read the program's output: %w", err)
	}
	if err := supervisor.Write(p.control, spec); err != nil && !errors.Is(err, unix.EPIPE) {
		return fmt.Errorf("jail: tell the supervisor what to run: %w", err)
	}
	var e supervisor.Event
	switch err := supervisor.Read(p.events, &e); {
	case err != nil:
		return fmt.Errorf("jail: %w before it could start the program", ErrLost)
	case e.Failure != nil:
		return e.Failure
	}
	return nil
}

// AwaitExit waits until the program itself has ended. What it has started may still be there.
func (p *Process) AwaitExit() (supervisor.Exit, error) {
	for {
		var e supervisor.Event
		if err := supervisor.Read(p.events, &e); err != nil {
			return supervisor.Exit{}, ErrLost
		}
		if e.Exit != nil {
			return *e.Exit, nil
		}
	}
}

// Interrupt asks the program to end. It alone is told.
func (p *Process) Interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell(supervisor.Interrupt)
}

// Kill ends the program and all that it has started, and returns at once.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell(supervisor.Kill)
	if p.killing == nil && !p.over {
		// A supervisor in a pid namespace takes everything with it.
		p.killing = time.AfterFunc(killTimeout, func() { _ = p.supervisor.Process.Kill() })
	}
}

// tell sends a command. The lock is held.
func (p *Process) tell(what byte) {
	if !p.over {
		_, _ = p.control.Write([]byte{what}) // it fails when all is over
	}
}

// Finish kills what is left of the program and returns when all of it is gone.
func (p *Process) Finish() error {
	p.Kill()
	if !p.awaitGone(2 * killTimeout) {
		return fmt.Errorf("jail: processes of supervisor %d are still there %v after they were killed", p.supervisor.Process.Pid, 2*killTimeout)
	}
	err := p.supervisor.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.killing.Stop()
	err = errors.Join(err, p.control.Close())
	if p.group != nil {
		p.hits = p.group.Hits()
		err = errors.Join(err, p.group.Remove())
	}
	return err
}

// Processes lists the program and what it has started, at this moment.
func (p *Process) Processes() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over:
		return nil
	case p.group != nil:
		return p.group.Processes()
	}
	return supervisor.Descendants(p.supervisor.Process.Pid)
}

// Hits are the limits of the cell that the program has hit, of those that a cgroup enforces. Finish has been called.
func (p *Process) Hits() cgroup.Hits { return p.hits }

// SupervisorCPU is the processor time of the supervisor itself, without the program. Finish has been called.
func (p *Process) SupervisorCPU() time.Duration {
	state := p.supervisor.ProcessState
	if state == nil {
		return 0
	}
	// The system counts what the supervisor has reaped together with itself.
	return max(0, state.UserTime()+state.SystemTime()-p.programCPU)
}

// awaitGone waits for the supervisor's end, which is that of all that was below it.
func (p *Process) awaitGone(timeout time.Duration) bool {
	deadline := time.Now().Add(timeout)
	// Its end of the socket is closed shortly before. Waiting for that takes no thread.
	_ = p.control.SetReadDeadline(deadline)
	for {
		var e supervisor.Event
		if supervisor.Read(p.events, &e) != nil {
			break
		}
		if e.Gone != nil {
			p.programCPU = e.Gone.CPU
		}
	}
	if p.pidfd < 0 {
		return true // an old kernel; waiting for the process takes as long as it takes
	}
	defer unix.Close(p.pidfd)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}, int(max(0, time.Until(deadline)).Milliseconds()))
		if err != unix.EINTR {
			return err != nil || n > 0
		}
	}
}
