//go:build unix

package endpoint

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkOwner takes a directory of this user's or of root's, into which nobody else may write.
func checkOwner(dir string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: the owner is not known", dir)
	}
	uid := os.Getuid()
	if int(stat.Uid) != uid && stat.Uid != 0 {
		return fmt.Errorf("%s belongs to user %d, not to %d: remove it, or give another address", dir, stat.Uid, uid)
	}
	if perm := info.Mode().Perm(); perm&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("%s may be written by others (mode %04o): chmod go-w it, or give another address", dir, perm)
	}
	return nil
}
