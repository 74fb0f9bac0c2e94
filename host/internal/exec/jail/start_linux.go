package jail

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

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
	*child
	// supervisors get the supervisor afterwards; nil = it serves this program alone.
	supervisors *Supervisors

	mu      sync.Mutex  // over what follows
	killing *time.Timer // kills the supervisor
	hits    cgroup.Hits
	over    bool
}

// Start starts a program in the jail. The caller must call Finish in the end.
func (j *Jail) Start(c Command) (*Process, error) {
	if c.Stdin == nil {
		var err error
		if c.Stdin, err = os.Open(os.DevNull); err != nil {
			return nil, err
		}
		defer c.Stdin.Close()
	}
	return j.start(&supervisor.Run{Path: c.Path, Args: append([]string{c.Path}, c.Args...), Env: c.Env, Dir: c.Dir, ExitTimeout: c.ExitTimeout}, &c)
}

// start has a supervisor start a program: one that has served a program like it, or a new one.
func (j *Jail) start(run *supervisor.Run, c *Command) (*Process, error) {
	run.Drains, run.Holds = len(c.Drains), len(c.Holds)
	j.confine(&c.Cell, run)
	if j.works[User] && c.Cell.User != 0 {
		if err := giveStreams(c); err != nil {
			return nil, &supervisor.Failure{Layer: string(User), What: "give it its streams", Text: err.Error()}
		}
	}
	room, files := j.roomOf(c), slices.Concat([]*os.File{c.Stdin, c.Stdout, c.Stderr}, c.Drains, c.Holds)
	if ch := c.Supervisors.take(room); ch != nil {
		p, err := ch.begin(run, c, files)
		var failure *supervisor.Failure
		if err == nil || errors.As(err, &failure) {
			return p, err
		}
	}
	ch, err := j.newChild(c, files)
	if err != nil {
		return nil, err
	}
	ch.room = room
	return ch.begin(run, c, nil)
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

// begin tells the supervisor what to run and waits until it does.
func (ch *child) begin(run *supervisor.Run, c *Command, files []*os.File) (*Process, error) {
	p := &Process{child: ch, supervisors: c.Supervisors}
	err := ch.send(run, files)
	if err != nil {
		ch.kill() // it waits for the program
	} else {
		var e supervisor.Event
		switch readErr := supervisor.Read(ch.events, &e); {
		case readErr != nil:
			err = fmt.Errorf("jail: %w before it could start the program", ErrLost)
		case e.Failure != nil:
			err = e.Failure
		}
	}
	if err != nil {
		_ = p.Finish() // the supervisor ends with an error
		return nil, err
	}
	return p, nil
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
		p.killing = time.AfterFunc(killTimeout, p.killSupervisor)
	}
}

// killSupervisor kills the supervisor. In a pid namespace that takes everything with it.
func (p *Process) killSupervisor() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over { // else it serves another by now
		p.kill()
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
	gone := p.awaitGone(2 * killTimeout)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killing.Stop()
	p.over = gone
	if p.group != nil {
		p.hits = p.group.Hits()
	}
	if gone {
		return p.supervisors.put(p.child)
	}
	if !p.awaitEnd(2 * killTimeout) {
		return fmt.Errorf("jail: processes of supervisor %d are still there %v after they were killed", p.pid(), 2*killTimeout)
	}
	p.over = true
	return p.supervisors.bury(p.child)
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
	return supervisor.Descendants(p.pid())
}

// Hits are the limits of the cell that the program has hit, of those that a cgroup enforces. Finish has been called.
func (p *Process) Hits() cgroup.Hits { return p.hits }
