// Package jail puts programs into a sandbox of the operating system: each under a supervisor of its own (see package supervisor), in
// layers that hold on their own, as far as the machine offers them.
package jail

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/provisor/provisor/host/internal/exec/jail/supervisor"
)

// Options say which layers a jail is made of. The zero value takes what the machine offers.
type Options struct {
	// Require are layers without which no program is started: New fails where one can't be enforced.
	Require []Layer
	// Disable are layers that are left out.
	Disable []Layer
	// User is one of the ids that cells will have; 0 = they will have none.
	User int
	// NoNamespaces does without them, as on a machine whose kernel allows none.
	NoNamespaces bool
}

// Jail starts programs in a sandbox. Its methods may be called by several goroutines.
type Jail struct {
	options  Options
	statuses map[Layer]Status
	system   // what is particular to the operating system
}

// New finds out, by trying it, what this machine enforces. Where a required layer is missing, the jail is returned with the error: it can say
// what there is.
func New(o Options) (*Jail, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	j := &Jail{options: o, statuses: map[Layer]Status{}}
	for _, l := range o.Disable {
		j.statuses[l] = Status{State: Disabled}
	}
	if err := j.probe(); err != nil {
		return nil, err
	}
	return j, j.check()
}

// With is this jail with more layers that are required, and more that are left out.
func (j *Jail) With(require, disable []Layer) (*Jail, error) {
	o := j.options
	o.Require, o.Disable = slices.Concat(o.Require, require), slices.Concat(o.Disable, disable)
	if err := o.Check(); err != nil {
		return nil, err
	}
	with := j.without(disable)
	with.options = o
	return with, with.check()
}

// Check says what is wrong with the options themselves.
func (o Options) Check() error {
	for _, l := range slices.Concat(o.Require, o.Disable) {
		if !slices.Contains(Layers(), l) {
			return fmt.Errorf("jail: there is no layer %q; there are: %s", l, join(Layers()))
		}
	}
	for _, l := range o.Disable {
		if slices.Contains(o.Require, l) {
			return fmt.Errorf("jail: layer %s is both required and disabled", l)
		}
	}
	return nil
}

// without is this jail without some layers.
func (j *Jail) without(layers []Layer) *Jail {
	without := &Jail{options: j.options, statuses: maps.Clone(j.statuses), system: j.system.without(layers)}
	for _, l := range layers {
		without.statuses[l] = Status{State: Disabled}
	}
	return without
}

// check says which required layers are missing.
func (j *Jail) check() error {
	var errs []error
	for _, s := range j.Report() {
		if slices.Contains(j.options.Require, s.Layer) && s.State != Enforced {
			errs = append(errs, fmt.Errorf("jail: layer %s is required, but %s: %s; to get it: %s", s.Layer, s.State, s.How, s.Fix))
		}
	}
	return errors.Join(errs...)
}

// Active reports whether anything is enforced. If not, programs are started without the jail.
func (j *Jail) Active() bool {
	return slices.ContainsFunc(Layers(), j.on)
}

// Users reports whether programs run as the users of their cells.
func (j *Jail) Users() bool { return j.on(User) }

// on reports whether a layer holds in one way or another.
func (j *Jail) on(l Layer) bool {
	s := j.statuses[l].State
	return s == Enforced || s == Partial
}

// Report says what is enforced, layer by layer.
func (j *Jail) Report() []Status {
	var report []Status
	for _, l := range Layers() {
		s := j.statuses[l]
		s.Layer = l
		report = append(report, s)
	}
	return report
}

// Command is a program to start in a jail.
type Command struct {
	Path string
	// Args are the arguments without the program's own name.
	Args []string
	// Env is the whole environment.
	Env []string
	Dir string
	// Cell is what it may reach.
	Cell Cell
	// Stdin, Stdout and Stderr are the program's ends of its streams; a nil Stdin is empty. Start does not close them.
	Stdin, Stdout, Stderr *os.File
	// Drains are the other ends of Stdout and Stderr. Should this process die, the supervisor reads what the program still writes.
	Drains []*os.File
	// Holds are files that stay open for as long as anything of the program is there; the program does not get them.
	Holds []*os.File
	// ExitTimeout is how long the program may take from its interrupt to its end when this process has died.
	ExitTimeout time.Duration
	// Keep, if not nil, is where an apply has its states: should this process die, the program may take ExitTimeout to finish before it is
	// interrupted, and its states are copied.
	Keep *Keep
	// Supervisors, if not nil, may have a supervisor for the program, and get it when nothing of the program is left.
	Supervisors *Supervisors
}

// Keep is where an apply has its states.
type Keep = supervisor.Keep

// ErrLost is the error of a program whose supervisor has died.
var ErrLost = errors.New("the program's supervisor has died")

func join(layers []Layer) string {
	names := make([]string, len(layers))
	for i, l := range layers {
		names[i] = string(l)
	}
	return strings.Join(names, ", ")
}
