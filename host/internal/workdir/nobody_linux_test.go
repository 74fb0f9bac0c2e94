package workdir

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

const nobody = 65534

// asNobody returns what runs a function without root's rights, for which no directory is read-only.
func asNobody(t *testing.T) func(func()) {
	t.Helper()
	if os.Getuid() != 0 {
		return func(f func()) { f() }
	}
	return func(f func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			// Credentials are a thread's on Linux. The thread ends with this goroutine, as it is never unlocked.
			runtime.LockOSThread()
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
				t.Error("become another user:", errno)
				return
			}
			f()
		}()
		<-done
	}
}

// nobodysDir is a temporary directory that everybody's tests can use.
func nobodysDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "workdir")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if os.Getuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
