//go:build unix

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// onlyOursToWrite returns an error if another user than this process's may write into the directory.
func onlyOursToWrite(dir fs.FileInfo) error {
	if dir.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("may be written by other users (its mode is %v)", dir.Mode().Perm())
	}
	if stat, ok := dir.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() && stat.Uid != 0 {
		return errors.New("belongs to another user")
	}
	return nil
}
