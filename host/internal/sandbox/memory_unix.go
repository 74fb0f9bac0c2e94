//go:build unix

package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// reserve returns zeroed memory that takes up room only where it is used.
func reserve(size uint64) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	b, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve memory for an instance: %w", err)
	}
	return b, nil
}

func release(b []byte) { _ = unix.Munmap(b) }
