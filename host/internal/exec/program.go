// Package exec runs the programs that a plugin was granted: in a process group of their own, in an environment built
// from nothing, with bounded streams, and with nothing left behind when they are closed.
//
// What a process group can't do: a descendant that leaves the group (setsid, or setpgid) is not killed with it. It can't
// hold up Wait or Close either: what it still holds of the program's streams is let go of. On Windows a job object stands
// in for the process group, and nothing leaves it.
package exec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/exec/jail"
)

// Program is what to run. Nothing of the caller's own environment reaches it.
type Program struct {
	// Path is the binary's absolute path.
	Path string
	// Args are the arguments without the program's own name.
	Args []string
	// Env is the whole environment, NAME=value; nil is an empty one.
	Env []string
	// Dir is the working directory, absolute.
	Dir string
	// Stdin says that Write will follow. Without it, standard input is empty.
	Stdin bool
	// OutputLimit is how many bytes standard output and error may have together; 0 = no limit. Past it the program is
	// killed, and Read returns an error after the last byte within the limit.
	OutputLimit int64
	// ExitTimeout is how long Close waits between interrupt and kill.
	ExitTimeout time.Duration
	// Jail, if not nil, is the sandbox that the program runs in, and Cell what it may reach from there.
	Jail *jail.Jail
	Cell jail.Cell
	// Watch, if not nil, watches over the program.
	Watch Watch
	// LimitHit, if not nil, is told of a limit of the jail (a *LimitError) or of the watch that was hit, before the program's end is: it, or
	// what it has started, may have failed for that.
	LimitHit func(error)
	// Holds are files that stay open for as long as anything of a jailed program is there, also when the daemon has died. The program
	// does not get them.
	Holds []*os.File
	// Keep, if not nil, is where an apply has its states: when the daemon has died, a jailed program may take ExitTimeout to finish before it is
	// interrupted, and its states are copied until it has ended.
	Keep *jail.Keep
	// Supervisors, if not nil, keep a jailed program's supervisor for the next.
	Supervisors *jail.Supervisors
}

// Watch watches over programs.
type Watch interface {
	// Begin is called when a program runs. processes lists those that there are at the moment, as far as they can be told; kill ends them.
	// end is called when they are gone, and returns the limit that was hit, or nil.
	Begin(processes func() []int, kill func()) (end func(failed bool) error)
}

// command is the program for os/exec, without its streams.
func (p *Program) command() (*osexec.Cmd, error) {
	if !filepath.IsAbs(p.Path) {
		return nil, fmt.Errorf("run %q: the program's path is not absolute: %w", p.Path, abi.Invalid)
	}
	if !filepath.IsAbs(p.Dir) {
		return nil, fmt.Errorf("run %s: the working directory %q is not absolute: %w", p.Path, p.Dir, abi.Invalid)
	}
	for _, s := range append(append([]string{}, p.Args...), p.Env...) {
		if strings.IndexByte(s, 0) >= 0 {
			return nil, fmt.Errorf("run %s: an argument or variable holds a NUL byte: %w", p.Path, abi.Invalid)
		}
	}
	if info, err := os.Stat(p.Dir); err != nil {
		return nil, fmt.Errorf("run %s: working directory: %w", p.Path, withErrno(err))
	} else if !info.IsDir() {
		return nil, fmt.Errorf("run %s: the working directory %s is not a directory: %w", p.Path, p.Dir, abi.Invalid)
	}
	return &osexec.Cmd{
		Path: p.Path,
		Args: append([]string{p.Path}, p.Args...),
		Env:  append([]string{}, p.Env...), // never nil: os/exec takes nil for the caller's environment
		Dir:  p.Dir,
	}, nil
}

// withErrno lets abi.ErrnoOf tell what is not there from what the system refused.
func withErrno(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", err, abi.NotFound)
	}
	return fmt.Errorf("%w: %w", err, abi.IO)
}
