//go:build unix

package workdir

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Hold returns a file for a child process to inherit: as long as anybody has it open, the run's sessions are not swept, even if this
// process has died.
func (s *Store) Hold() (*os.File, error) {
	f, err := os.OpenFile(s.lock.Path(), os.O_RDWR, 0)
	if err == nil {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
			err = errors.Join(err, f.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("hold the run's lock: %w", err)
	}
	return f, nil
}
