package exec

import (
	"os"
	osexec "os/exec"
)

// pipeEnds are the pipes of a program's streams, while it is being started.
type pipeEnds struct {
	input   *os.File // the parent's end of standard input, nil without
	outputs [2]*readEnd
	child   []*os.File
}

// open makes the pipes and gives their child's ends to cmd. They are files, so that os/exec starts no goroutines.
func (e *pipeEnds) open(cmd *osexec.Cmd, stdin bool) error {
	for i := range e.outputs {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		e.child = append(e.child, w)
		if e.outputs[i], err = newReadEnd(r); err != nil {
			return err
		}
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
	for _, end := range e.outputs {
		if end != nil {
			end.Close()
		}
	}
	if e.input != nil {
		e.input.Close()
	}
}
