//go:build !linux

package exec

import (
	"errors"
	osexec "os/exec"
)

func (p *Program) startJailed(*osexec.Cmd, *pipeEnds) (tree, error) {
	return nil, errors.New("there is no jail on this operating system")
}
