//go:build unix

package jailfs_test

import (
	"path/filepath"
	"syscall"
	"testing"
)

// makeSpecial puts a FIFO without another end and, where the test may, a device into a directory.
func makeSpecial(t *testing.T, dir string) {
	t.Helper()
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	if err := syscall.Mknod(filepath.Join(dir, "device"), syscall.S_IFCHR|0o600, 1<<8|5); err != nil { // /dev/zero
		t.Logf("no device to try: %v", err)
	}
}
