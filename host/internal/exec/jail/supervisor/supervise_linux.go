package supervisor

import (
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/provisor/provisor/host/internal/exec/jail/supervisor/kernel"
)

// supervisor is the state of the one supervisor that a process is.
type supervisor struct {
	*Spec
	control *control
	// commands are the daemon's, nil once it is gone; ended tells that children have ended.
	commands <-chan command
	ended    <-chan os.Signal

	// score is the supervisor's own oom_score_adj, open since before it was hidden; nil = it is as it was.
	score *os.File
	// ruleset is that of Landlock, once there is one.
	ruleset int
	// keeper copies states.
	keeper Keeper
}

// program is a program with all that it has started.
type program struct {
	*supervisor
	*Run
	// files are the program's streams, closed once it has them, then its drains and holds.
	files    []int
	children *children
	// killing is set once the whole tree is to go.
	killing bool
	// exited is set once the program itself has ended.
	exited bool
	// interrupted is set once the program was asked to end. A second time, an engine would end without writing its state.
	interrupted bool
	// over is closed once all is gone.
	over chan struct{}

	endKeeping func() // nil while the daemon keeps the states, and where there are none
}

func (p *program) streams() []int { return p.files[:Streams] }
func (p *program) drains() []int  { return p.files[Streams : Streams+p.Drains] }

// begin learns what to put up; an error means that the daemon is gone, or that this was no daemon.
func begin() (*supervisor, error) {
	// Before the first descriptor is made: what the daemon was started with, knowingly or not, is none of the program's business.
	_ = kernel.CloseRange(3, ^uint(0), kernel.CLOSE_RANGE_CLOEXEC)
	control, err := newControl()
	spec := &Spec{}
	if err == nil {
		err = Read(control, spec)
	}
	if err != nil {
		return nil, err
	}
	for i := range spec.Files {
		control.files = append(control.files, firstTask+spec.Tasks+spec.Locks+i)
	}
	return &supervisor{Spec: spec, control: control, ruleset: none}, nil
}

// run is the rest of a supervisor's life; it returns the exit code.
func (s *supervisor) run() int {
	commands := make(chan command)
	s.commands, s.ended = commands, listen()
	go s.control.commands(commands)
	p := s.next()
	if p == nil {
		return 0
	}
	failure := s.prepare()
	before := currentLimits()
	for ; p != nil; p = s.next() {
		if failure == nil {
			failure = p.serve()
		}
		if failure != nil {
			s.tell(&Event{Failure: failure})
			return 1
		}
		if currentLimits() != before {
			return 0 // a program of the same user may set them, and the next would have them
		}
	}
	return 0
}

// limits are a process's resource limits.
type limits [16]syscall.Rlimit

func currentLimits() (l limits) {
	for resource := range l {
		_ = syscall.Getrlimit(resource, &l[resource])
	}
	return l
}

// next is the next program, or nil when the daemon has no more. What it has to say of the one before comes too late.
func (s *supervisor) next() *program {
	if s.commands == nil {
		return nil
	}
	for c := range s.commands {
		if c.what == Start {
			return &program{supervisor: s, Run: c.run, files: c.files, over: make(chan struct{})}
		}
	}
	return nil
}

// serve runs the program, and returns when all that it has started is gone.
func (p *program) serve() *Failure {
	defer close(p.over)
	if err := p.endanger(p.Victim); err != nil {
		return failed(LayerLimits, "set limits", err)
	}
	if failure := p.start(); failure != nil {
		return failure
	}
	_ = p.endanger(0) // where it is not to be had, the supervisor is still the smaller one
	p.tell(&Event{Started: true})
	if !p.Try {
		p.attend()
		if p.endKeeping != nil {
			p.endKeeping()
		}
	}
	if p.commands != nil { // else this process is about to end, and may still read from the drains
		closeAll(p.files[Streams:])
	}
	p.tell(&Event{Gone: &Gone{CPU: childrenCPU()}})
	return nil
}

// tell tells the daemon, if there still is one.
func (s *supervisor) tell(e *Event) { _ = Write(s.control.file, e) }

// childrenCPU is the processor time of all that was reaped.
func childrenCPU() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// listen hears of children that have ended. It lets the signals pass that are sent to all processes of a terminal or a service: the daemon
// decides when the program ends. They are not set to be ignored, since the program would inherit that.
func listen() (ended <-chan os.Signal) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE, syscall.SIGXFSZ)
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	return children
}

// prepare does what the whole process must do before a program starts.
func (s *supervisor) prepare() *Failure {
	if !s.First {
		if err := kernel.Prctl(kernel.PR_SET_CHILD_SUBREAPER, 1); err != nil {
			return failed(LayerProcessTree, "become the subreaper", err)
		}
	}
	if err := s.limit(); err != nil {
		return failed(LayerLimits, "set limits", err)
	}
	// Nobody but root may look into this process, where the program runs as the same user. Its files in /proc are root's from here on.
	if err := kernel.Prctl(kernel.PR_SET_DUMPABLE, 0); err != nil {
		return failed(LayerProcessTree, "hide the supervisor", err)
	}
	if err := s.Keep.hold(); err != nil {
		return failed("", "", err)
	}
	if s.Root != nil {
		if err := s.Root.enter(); err != nil {
			return failed(LayerRoot, "make a root of its own", err)
		}
	}
	return nil
}

// limit sets the limits that programs inherit.
func (s *supervisor) limit() error {
	for _, l := range s.Limits {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(l.Resource, &now); err != nil {
			return err
		}
		most := min(l.Max, now.Max) // only root may raise the hard limit, and nobody has to
		if err := syscall.Setrlimit(l.Resource, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
			return err
		}
	}
	if s.Victim == 0 {
		return nil
	}
	var err error
	s.score, err = os.OpenFile("/proc/self/oom_score_adj", os.O_WRONLY, 0)
	return err
}

// endanger makes the supervisor, and what it starts from now on, so much more likely a victim when memory is short.
func (s *supervisor) endanger(score int) error {
	if s.score == nil {
		return nil
	}
	_, err := s.score.WriteString(strconv.Itoa(score))
	return err
}

// attend stays until the program and all that it has started are gone.
func (p *program) attend() {
	var patience, deadline, again <-chan time.Time
	pause := time.Millisecond
	for {
		select {
		case c, open := <-p.commands:
			switch {
			case !open: // the daemon is gone
				p.commands = nil
				p.drain()
				p.keep()
				switch {
				case p.exited:
					p.killing = true
				case p.Keep != nil && !p.interrupted:
					patience = time.After(p.ExitTimeout) // what an apply has done wholly needs no rescue
				default:
					deadline = p.end()
				}
			case c.what == Interrupt:
				p.interrupted = true
				p.children.interrupt()
			case c.what == Kill:
				p.killing = true
			}
		case <-patience:
			deadline = p.end()
		case <-deadline:
			p.killing = true
		case <-again:
		case <-p.ended:
		}
		exit, left := p.children.reap()
		if exit != nil {
			p.exited = true
			p.tell(&Event{Exit: exit})
			p.killing = p.killing || p.commands == nil
		}
		if !left {
			return
		}
		again = nil
		if p.killing {
			p.children.kill(p.First)
			// What is forked between two looks is found by the next.
			again = time.After(pause)
			pause = min(2*pause, 50*time.Millisecond)
		}
	}
}

// end asks the program to end, and returns until when it may.
func (p *program) end() (deadline <-chan time.Time) {
	if !p.interrupted {
		p.interrupted = true
		p.children.interrupt()
	}
	return time.After(p.ExitTimeout)
}

// drain reads what the program still writes. Without a reader its next line would kill it, in the middle of an apply.
func (p *program) drain() {
	for _, fd := range p.drains() {
		pipe := os.NewFile(uintptr(fd), "output")
		go func() { _, _ = io.Copy(io.Discard, pipe) }()
	}
}
