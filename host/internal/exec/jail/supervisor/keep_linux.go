package supervisor

import (
	"os"
	"strconv"
	"syscall"

	"github.com/provisor/provisor/host/internal/exec/jail/supervisor/kernel"
)

// hold opens the directories while they can be seen: the root directory of the program, which will be the supervisor's as well, does not show them.
func (k *Keep) hold() error {
	if k == nil {
		return nil
	}
	for _, dir := range []*string{&k.Work, &k.Dir} {
		fd, err := syscall.Open(*dir, kernel.O_PATH|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "keep states: open", Path: *dir, Err: err}
		}
		*dir = "/proc/self/fd/" + strconv.Itoa(fd)
	}
	return nil
}

// keep begins to copy.
func (p *program) keep() {
	if p.Keep != nil {
		p.endKeeping = p.keeper(p.Keep)
	}
}
