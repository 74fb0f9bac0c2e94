//go:build unix

package recovery

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// FreeBytes is how much this user may still write to the directory's file system.
func FreeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("look at the file system of %s: %w", dir, err)
	}
	free := uint64(st.Bavail) * uint64(st.Bsize)
	return int64(min(free, math.MaxInt64)), nil
}
