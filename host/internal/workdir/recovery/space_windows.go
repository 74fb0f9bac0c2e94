package recovery

import (
	"fmt"
	"math"

	"golang.org/x/sys/windows"
)

// FreeBytes is how much this user may still write to the directory's file system.
func FreeBytes(dir string) (int64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, fmt.Errorf("look at the file system of %s: %w", dir, err)
	}
	return int64(min(free, math.MaxInt64)), nil
}
