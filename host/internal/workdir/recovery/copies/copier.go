// Package copies copies states aside as an engine writes them: each file of a work directory whenever it is whole, and the newest copy of each stays.
// The daemon does so for an apply, and the supervisor of the engine once the daemon is gone.
package copies

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// lookEvery is how often a copier looks at its files where no event says that they have changed.
	lookEvery = 250 * time.Millisecond
	// restShare is how much longer than a look the rest after it is, once all looks have taken more than burst and a fifth of the time: a
	// template that writes all the time costs that much of a processor. An engine's last two states may be no milliseconds apart.
	restShare = 4
	burst     = 200 * time.Millisecond
	maxRest   = time.Second
)

// Options of a copier.
type Options struct {
	// Work is the work directory, and Dir where the copies go.
	Work, Dir string
	// Files are the names of the states, relative to the work directory, with slashes.
	Files []string
	// Root is the work directory, and the caller's to close.
	Root   *os.Root
	Reader Reader
	// Full, if not nil, makes room where the disk is full. It is tried once more then.
	Full func()
	// Meanwhile, if not nil, is called each time before the files are looked at.
	Meanwhile func()
	// Report, if not nil, is told of what goes wrong.
	Report func(what string, err error)
}

// Copier copies states. What is not said to be for several goroutines is for one at a time, and not between Begin and End.
type Copier struct {
	o        Options
	files    map[string]*file
	sequence int

	changed chan struct{} // holds a value when a file may have changed
	unsafe  chan struct{} // holds a value when a copy is not yet safe from the machine's death
	stop    chan struct{}
	running sync.WaitGroup

	mu     sync.Mutex
	states []*State // the copies that are on the disk
}

// file is what a copier knows of one of its files.
type file struct {
	// seen is the file when it was last looked at and proved whole.
	seen fs.FileInfo
	// sum is what was in it.
	sum sum
	// resumed: a copy of what has that sum is there already, though nobody has seen the file yet.
	resumed bool
	// unsaved is why that is not copied; nil = it is.
	unsaved error
}

// New makes a copier.
func New(o Options) *Copier {
	c := &Copier{
		o: o, files: make(map[string]*file),
		changed: make(chan struct{}, 1), unsafe: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	if o.Report == nil {
		c.o.Report = func(string, error) {}
	}
	for _, name := range o.Files {
		c.files[name] = new(file)
	}
	return c
}

// Resume goes on from the copies that another process has made.
func (c *Copier) Resume() error {
	states, err := List(c.o.Dir)
	if err != nil {
		return err
	}
	if len(states) > 0 {
		c.sequence = states[0].sequence
	}
	whole := Newest(states)
	slices.Reverse(states)
	c.states = slices.DeleteFunc(states, func(s *State) bool { return s.check() != nil })
	for _, s := range whole {
		if f := c.files[s.File]; f != nil {
			f.sum, f.resumed = s.sum, true
		}
	}
	return nil
}

// Begin copies what is there already, and then what becomes of it, in goroutines of its own.
func (c *Copier) Begin() {
	c.look(true)
	c.running.Go(c.follow)
	c.running.Go(c.secure)
}

// Wake says that a file may have changed. Several goroutines may call it, whenever they like.
func (c *Copier) Wake() { wake(c.changed) }

// End looks for the last time. The copies are as safe as they can be when it returns.
func (c *Copier) End() {
	close(c.stop)
	c.running.Wait()
	c.Look()
}

// Look copies what there is now, without any goroutines.
func (c *Copier) Look() {
	c.look(true)
	c.settle()
}

// States are the copies, the newest first. Several goroutines may call it.
func (c *Copier) States() []*State {
	c.mu.Lock()
	defer c.mu.Unlock()
	states := slices.Clone(c.states)
	slices.Reverse(states)
	return states
}

// Holds says whether a state is one that is in the files, or whether there is none in any.
func (c *Copier) Holds(state []byte) bool {
	none := true
	for _, f := range c.files {
		if f.seen == nil && f.unsaved == nil {
			continue
		}
		none = false
		if sha256.Sum256(state) == f.sum {
			return true
		}
	}
	return none
}

// Unsaved says what is nowhere but in the work directory.
func (c *Copier) Unsaved() error {
	var errs []error
	for _, name := range c.o.Files {
		if err := c.files[name].unsaved; err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Forget forgets what is unsaved: somebody else has it.
func (c *Copier) Forget() {
	for _, f := range c.files {
		f.unsaved = nil
	}
}

// follow looks at the files whenever they may have changed.
func (c *Copier) follow() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var p pace
	for {
		event := false
		select {
		case <-c.stop:
			return
		case <-c.changed:
			event = true
		case <-tick.C:
		}
		began := time.Now()
		if c.o.Meanwhile != nil {
			c.o.Meanwhile()
		}
		c.look(event)
		select {
		case <-c.stop:
			return
		case <-time.After(p.rest(began, time.Now())):
		}
	}
}

// pace says how long to rest after a look.
type pace struct {
	spent time.Duration
	last  time.Time
}

func (p *pace) rest(began, ended time.Time) time.Duration {
	took := ended.Sub(began)
	p.spent = max(0, p.spent-began.Sub(p.last)/(1+restShare)) + took
	p.last = began
	if p.spent < burst {
		return 0
	}
	return min(restShare*took, maxRest)
}

// look copies the files that have changed, the one that was written last comes last. Without an event, a file whose time and size are as
// before has not.
func (c *Copier) look(event bool) {
	for _, name := range c.byTime() {
		f := c.files[name]
		was := f.seen
		if event || f.unsaved != nil {
			was = nil
		}
		seen, err := c.o.Reader.look(c.o.Root, name, was, func(content []byte) error { return c.copy(f, name, content) })
		switch {
		case err == nil:
			f.seen, f.unsaved = seen, nil
		case !isFailure(err):
		default:
			if f.unsaved == nil {
				c.o.Report("a state can't be copied aside for now", err)
			}
			f.unsaved = err
		}
	}
}

// byTime are the files' names in the order in which the files were written. An engine that can't write its state file leaves a newer one
// beside it.
func (c *Copier) byTime() []string {
	if len(c.o.Files) < 2 {
		return c.o.Files
	}
	times := make(map[string]time.Time)
	for _, name := range c.o.Files {
		if info, err := c.o.Root.Lstat(name); err == nil {
			times[name] = info.ModTime()
		}
	}
	return slices.SortedStableFunc(slices.Values(c.o.Files), func(a, b string) int { return times[a].Compare(times[b]) })
}

// isFailure tells what should have worked from what a file in a hostile directory may be.
func isFailure(err error) bool {
	var large *TooLargeError
	var write *writeError
	return errors.As(err, &large) || errors.As(err, &write)
}

// writeError is why a state could not be copied.
type writeError struct{ error }

func (e *writeError) Unwrap() error { return e.error }

// copy copies a state, unless it is as it was.
func (c *Copier) copy(f *file, name string, content []byte) error {
	now := sum(sha256.Sum256(content))
	if (f.seen != nil || f.resumed) && f.unsaved == nil && now == f.sum {
		return nil
	}
	f.sum = now
	c.sequence++
	s := &State{File: name, sequence: c.sequence}
	err := s.write(c.o.Dir, content)
	if IsFull(err) && c.o.Full != nil {
		c.o.Full()
		err = s.write(c.o.Dir, content)
	}
	if err != nil {
		return &writeError{fmt.Errorf("copy %s aside: %w", name, err)}
	}
	c.add(s)
	wake(c.unsafe)
	return nil
}

func (c *Copier) add(s *State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.states = append(c.states, s)
}

// secure makes the newest copies safe from the machine's death, and then removes those before. It does not hold up the next copy.
func (c *Copier) secure() {
	for {
		select {
		case <-c.unsafe:
			c.settle()
		case <-c.stop:
			return
		}
	}
}

func (c *Copier) settle() {
	var kept, old []*State
	for _, s := range c.States() {
		if slices.ContainsFunc(kept, func(n *State) bool { return n.File == s.File }) {
			old = append(old, s)
			continue
		}
		kept = append(kept, s)
		if err := s.sync(); err != nil {
			c.o.Report("a copy of a state may not survive the machine's death", err)
			return
		}
	}
	for _, s := range old {
		if err := os.Remove(s.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.o.Report("an old copy of a state stays", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.states = slices.DeleteFunc(c.states, func(s *State) bool { return slices.Contains(old, s) })
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
