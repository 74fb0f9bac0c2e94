//go:build unix

package filecache

import (
	"fmt"
	"os"
	"syscall"
)

// nonBlocking keeps opening a FIFO from waiting for its other end.
const nonBlocking = syscall.O_NONBLOCK

// checkPrivate refuses a directory that others can read or write: what is in it runs in later sessions.
func checkPrivate(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is open to other users (mode %v): chmod it to 0700, or name another directory", dir, info.Mode().Perm())
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to another user: name another directory", dir)
	}
	return nil
}
