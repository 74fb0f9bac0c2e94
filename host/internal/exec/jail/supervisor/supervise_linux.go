package supervisor

import (
	"io"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// supervisor is the state of the one supervisor that a process is.
type supervisor struct {
	*Spec
	control *os.File

	// score is the supervisor's own oom_score_adj, open since before it was hidden; nil = it is as it was.
	score *os.File

	children *children
	// killing is set once the whole tree is to go.
	killing bool
	// exited is set once the program itself has ended.
	exited bool
	// interrupted is set once the program was asked to end. A second time, an engine would end without writing its state.
	interrupted bool

	keeping *keeping // nil while the daemon keeps the states, and where there are none
}

// run is a supervisor's whole life; it returns the exit code.
func run() int {
	// Before the first descriptor is made: what the daemon was started with, knowingly or not, is none of the program's business.
	_ = unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	_ = unix.SetNonblock(ControlFile, true) // so that waiting for commands takes no thread
	control := os.NewFile(ControlFile, "control")
	spec := &Spec{}
	if Read(control, spec) != nil {
		return 2 // the daemon is gone, or this was no daemon
	}
	s := &supervisor{Spec: spec, control: control}
	ended := listen()
	if failure := s.prepare(); failure != nil {
		s.tell(&Event{Failure: failure})
		return 1
	}
	if failure := s.start(); failure != nil {
		s.tell(&Event{Failure: failure})
		return 1
	}
	s.spare()
	s.tell(&Event{Started: true})
	if !s.Try {
		s.attend(ended)
		s.keeping.end()
		s.tell(&Event{Gone: &Gone{CPU: childrenCPU()}})
	}
	return 0
}

// tell tells the daemon, if there still is one.
func (s *supervisor) tell(e *Event) { _ = Write(s.control, e) }

// childrenCPU is the processor time of all that was reaped.
func childrenCPU() time.Duration {
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_CHILDREN, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// listen hears of children that have ended. It lets the signals pass that are sent to all processes of a terminal or a service: the daemon
// decides when the program ends. They are not set to be ignored, since the program would inherit that.
func listen() (ended <-chan os.Signal) {
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGPIPE, unix.SIGXFSZ)
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	return children
}

// prepare does what the whole process must do before the program starts.
func (s *supervisor) prepare() *Failure {
	if !s.First {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return failed(LayerProcessTree, "become the subreaper", err)
		}
	}
	if err := s.limit(); err != nil {
		return failed(LayerLimits, "set limits", err)
	}
	// Nobody but root may look into this process, where the program runs as the same user. Its files in /proc are root's from here on.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return failed(LayerProcessTree, "hide the supervisor", err)
	}
	if err := s.Keep.hold(); err != nil {
		return failed("", "", err)
	}
	if s.Loopback {
		if err := loopbackUp(); err != nil {
			return failed(LayerNetwork, "bring up the loopback device", err)
		}
	}
	if s.Root != nil {
		if err := s.Root.enter(); err != nil {
			return failed(LayerRoot, "make a root of its own", err)
		}
	}
	return nil
}

// limit sets the limits that the program inherits.
func (s *supervisor) limit() error {
	for _, l := range s.Limits {
		var now unix.Rlimit
		if err := unix.Getrlimit(l.Resource, &now); err != nil {
			return err
		}
		most := min(l.Max, now.Max) // only root may raise the hard limit, and nobody has to
		if err := unix.Setrlimit(l.Resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return err
		}
	}
	if s.Victim == 0 {
		return nil
	}
	score, err := os.OpenFile("/proc/self/oom_score_adj", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	s.score = score
	_, err = score.WriteString(strconv.Itoa(s.Victim))
	return err
}

// spare makes the supervisor a less likely victim than the program, which has been started.
func (s *supervisor) spare() {
	if s.score != nil {
		// Where it is not to be had, the supervisor is still the smaller one.
		_, _ = s.score.WriteString("0")
		_ = s.score.Close()
	}
}

// loopbackUp lets programs talk to each other over 127.0.0.1.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	device, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	device.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, device)
}

// attend stays until the program and all that it has started are gone.
func (s *supervisor) attend(ended <-chan os.Signal) {
	commands := make(chan byte)
	go readCommands(s.control, commands)
	var patience, deadline, again <-chan time.Time
	pause := time.Millisecond
	for {
		select {
		case c, open := <-commands:
			switch {
			case !open: // the daemon is gone
				commands = nil
				s.drain()
				s.keep()
				switch {
				case s.exited:
					s.killing = true
				case s.Keep != nil && !s.interrupted:
					patience = time.After(s.ExitTimeout) // what an apply has done wholly needs no rescue
				default:
					deadline = s.end()
				}
			case c == Interrupt:
				s.interrupted = true
				s.children.interrupt()
			case c == Kill:
				s.killing = true
			}
		case <-patience:
			deadline = s.end()
		case <-deadline:
			s.killing = true
		case <-again:
		case <-ended:
		}
		exit, left := s.children.reap()
		if exit != nil {
			s.exited = true
			s.tell(&Event{Exit: exit})
			s.killing = s.killing || commands == nil
		}
		if !left {
			return
		}
		again = nil
		if s.killing {
			s.children.kill(s.First)
			// What is forked between two looks is found by the next.
			again = time.After(pause)
			pause = min(2*pause, 50*time.Millisecond)
		}
	}
}

// end asks the program to end, and returns until when it may.
func (s *supervisor) end() (deadline <-chan time.Time) {
	if !s.interrupted {
		s.interrupted = true
		s.children.interrupt()
	}
	return time.After(s.ExitTimeout)
}

// readCommands passes on what the daemon wants, until it is gone.
func readCommands(control *os.File, commands chan<- byte) {
	defer close(commands)
	var b [1]byte
	for {
		if _, err := io.ReadFull(control, b[:]); err != nil {
			return
		}
		commands <- b[0]
	}
}

// drain reads what the program still writes. Without a reader its next line would kill it, in the middle of an apply.
func (s *supervisor) drain() {
	for i := range s.Drains {
		pipe := os.NewFile(uintptr(firstOther+i), "output")
		go func() { _, _ = io.Copy(io.Discard, pipe) }()
	}
}
