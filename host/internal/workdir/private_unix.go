//go:build unix

package workdir

import (
	"fmt"
	"os"
)

// checkPrivate refuses a directory in which everybody could put something in a session's way.
func checkPrivate(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("%s is writable by everybody (mode %v): choose a directory of the daemon's own, or chmod o-w it", dir, info.Mode().Perm())
	}
	return nil
}
