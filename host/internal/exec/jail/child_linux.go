package jail

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host/internal/exec/jail/cgroup"
	"github.com/provisor/provisor/host/internal/exec/jail/supervisor"
	_ "github.com/provisor/provisor/host/internal/exec/jail/supervisor/keeper" // in the supervisors of applies
)

// child is a supervisor.
type child struct {
	command *osexec.Cmd
	pidfd   int
	control *os.File
	events  io.Reader
	group   *cgroup.Group
	// room is what the programs that it can serve have in common; nil = it serves one.
	room *room
	// idle ends it when it is kept for too long.
	idle *time.Timer
	// programCPU is the processor time of the programs so far, as it tells it.
	programCPU time.Duration
}

// newChild starts a supervisor that puts up the jail around the command's cell. It has the files of its first program.
func (j *Jail) newChild(c *Command, files []*os.File) (_ *child, err error) {
	control, theirs, err := socketpair()
	if err != nil {
		return nil, fmt.Errorf("jail: make the control socket: %w", err)
	}
	defer theirs.Close()
	ch := &child{control: control, events: bufio.NewReader(control), pidfd: -1}
	// A session of its own: what a terminal sends to its processes does not reach the program, and there is no terminal to write to.
	attr := &syscall.SysProcAttr{Setsid: true, PidFD: &ch.pidfd}
	defer func() {
		if err != nil {
			err = errors.Join(err, ch.release())
		}
	}()
	tasks, err := j.group(&c.Cell, ch, attr)
	defer func() {
		for _, f := range tasks {
			f.Close()
		}
	}()
	if err != nil {
		return nil, &supervisor.Failure{Layer: string(Cgroup), What: "make a cgroup", Text: err.Error()}
	}
	var locks []*os.File
	if ch.group != nil {
		locks = ch.group.Locks()
	}
	spec := &supervisor.Spec{Keep: c.Keep, Tasks: len(tasks), Locks: len(locks), Files: len(files)}
	j.enter(&c.Cell, spec, attr)
	ch.command = &osexec.Cmd{
		Path: self, Args: []string{supervisor.Name}, Env: supervisorEnv, Dir: "/", SysProcAttr: attr,
		ExtraFiles: slices.Concat([]*os.File{theirs}, tasks, locks, files),
	}
	if err := ch.command.Start(); err != nil {
		return nil, fmt.Errorf("jail: start the supervisor: %w", err)
	}
	theirs.Close()
	_, err = descriptors(files) // once more: os/exec has all of them block
	if err == nil {
		err = supervisor.Write(control, spec)
	}
	if err != nil && !isGone(err) {
		ch.kill()
		_ = ch.command.Wait()
		return nil, fmt.Errorf("jail: tell the supervisor what to put up: %w", err)
	}
	return ch, nil
}

// group makes the cgroup for a supervisor's programs. It returns the files by which they get into it.
func (j *Jail) group(c *Cell, ch *child, attr *syscall.SysProcAttr) (tasks []*os.File, err error) {
	if !j.works[Cgroup] {
		return nil, nil
	}
	if ch.group, err = j.cgroups.New(cgroup.Limits{Memory: c.Memory, Processes: c.Processes}); err != nil {
		return nil, err
	}
	if start := ch.group.Start(); start >= 0 {
		attr.UseCgroupFD, attr.CgroupFD = true, start
	}
	return ch.group.Tasks()
}

// socketpair makes the control socket: this process's end, and the supervisor's.
func socketpair() (control, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	theirs = os.NewFile(uintptr(fds[1]), "control")
	if err := unix.SetNonblock(fds[0], true); err != nil { // so that waiting for events takes no thread
		return nil, nil, errors.Join(err, unix.Close(fds[0]), theirs.Close())
	}
	return os.NewFile(uintptr(fds[0]), "control"), theirs, nil
}

// isGone says whether a write failed since the supervisor has ended; why, it has told.
func isGone(err error) bool { return errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) }

// send tells the supervisor to start a program with these files, of which the first are its streams; a new supervisor has them.
func (ch *child) send(run *supervisor.Run, files []*os.File) error {
	fds, err := descriptors(files)
	if err != nil {
		return err
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	conn, err := ch.control.SyscallConn()
	if err != nil {
		return err
	}
	var refused error
	err = conn.Write(func(fd uintptr) bool {
		refused = unix.Sendmsg(int(fd), []byte{supervisor.Start}, rights, nil, unix.MSG_NOSIGNAL)
		return refused != unix.EAGAIN
	})
	if err = errors.Join(err, refused); err == nil {
		err = supervisor.Write(ch.control, run)
	}
	if err != nil && !isGone(err) {
		return fmt.Errorf("jail: tell the supervisor what to run: %w", err)
	}
	return nil
}

// descriptors are the descriptors of a program's files. The streams are set to block, which programs expect, and the others not to.
func descriptors(files []*os.File) ([]int, error) {
	var fds []int
	for i, f := range files {
		conn, err := f.SyscallConn()
		if err == nil {
			controlErr := conn.Control(func(fd uintptr) {
				fds = append(fds, int(fd))
				err = unix.SetNonblock(int(fd), i >= supervisor.Streams)
			})
			err = errors.Join(err, controlErr)
		}
		if err != nil {
			return nil, fmt.Errorf("jail: pass on the program's files: %w", err)
		}
	}
	return fds, nil
}

func (ch *child) pid() int { return ch.command.Process.Pid }

func (ch *child) kill() { _ = ch.command.Process.Kill() }

// awaitGone waits until nothing of a program is left. It returns false if the supervisor, too, is at its end, or does not come to it.
func (ch *child) awaitGone(timeout time.Duration) bool {
	_ = ch.control.SetReadDeadline(time.Now().Add(timeout))
	defer ch.control.SetReadDeadline(time.Time{})
	for {
		var e supervisor.Event
		if supervisor.Read(ch.events, &e) != nil {
			return false
		}
		if e.Gone != nil {
			ch.programCPU = e.Gone.CPU
			return true
		}
	}
}

// awaitEnd waits for the supervisor's end, which is that of all that was below it. Waiting for that takes a thread.
func (ch *child) awaitEnd(timeout time.Duration) bool {
	if ch.pidfd < 0 {
		return true // an old kernel; waiting for the process takes as long as it takes
	}
	deadline := time.Now().Add(timeout)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(ch.pidfd), Events: unix.POLLIN}}, int(max(0, time.Until(deadline)).Milliseconds()))
		if err != unix.EINTR {
			return err != nil || n > 0
		}
	}
}

// close ends a supervisor that has no program. It returns false if that does not come to its end.
func (ch *child) close() bool {
	conn, err := ch.control.SyscallConn()
	if err == nil {
		err = conn.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_WR) })
	}
	// Its end of the socket is closed shortly before its own. Waiting for that takes no thread.
	if err == nil && !ch.awaitGone(killTimeout) && ch.awaitEnd(killTimeout) {
		return true
	}
	ch.kill()
	return ch.awaitEnd(killTimeout)
}

// bury reaps a supervisor that has ended, and lets go of what it stood on.
func (ch *child) bury() error { return errors.Join(ch.command.Wait(), ch.release()) }

func (ch *child) release() error {
	err := ch.control.Close()
	if ch.pidfd >= 0 {
		err = errors.Join(err, unix.Close(ch.pidfd))
		ch.pidfd = -1
	}
	if ch.group != nil {
		err = errors.Join(err, ch.group.Remove())
	}
	return err
}

// cpu is the processor time of the supervisor itself, which has ended. The system counts what it has reaped together with it.
func (ch *child) cpu() time.Duration {
	state := ch.command.ProcessState
	if state == nil {
		return 0
	}
	return max(0, state.UserTime()+state.SystemTime()-ch.programCPU)
}
