package exec

import (
	"os"
	osexec "os/exec"
)

// pipeEnds are the pipes of a program's streams, while it is being started.
type pipeEnds struct {
	input   *os.File // the parent's end of standard input, nil without
	outputs [2]*os.File
	child   []*os.File
}

// open makes the pipes and gives their child's ends to cmd. They are files, so that os/exec starts no goroutines.
func (e *pipeEnds) open(cmd *osexec.Cmd, stdin bool) error {
	for i := range e.outputs {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		e.outputs[i] = r
		e.child = append(e.child, w)
	}
	cmd.Stdout, cmd.Stderr = e.child[0], e.child[1]
	if !stdin {
		return nil // os/exec opens the null device
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	e.input, cmd.Stdin = w, r
	e.child = append(e.child, r)
	return nil
}

func (e *pipeEnds) closeChild() {
	for _, f := range e.child {
		f.Close()
	}
}

func (e *pipeEnds) closeParent() {
	for _, f := range []*os.File{e.input, e.outputs[0], e.outputs[1]} {
		if f != nil {
			f.Close()
		}
	}
}
