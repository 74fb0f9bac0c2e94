//go:build unix

package exec

import (
	"os"
	"runtime"
	"syscall"

	"github.com/provisor/provisor/proto/guestpb"
)

// exitOf is the part of a result that the system knows. On Linux a program that was started from a large process counts
// that process's memory in its own maximum: the two share it until the program is executed.
func exitOf(state *os.ProcessState) *guestpb.ExecResult {
	r := &guestpb.ExecResult{ExitCode: int32(state.ExitCode())}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		r.Signal = status.Signal().String()
	}
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		r.MaxRssBytes = int64(usage.Maxrss)
		if runtime.GOOS != "darwin" {
			r.MaxRssBytes <<= 10 // kibibytes everywhere but there
		}
	}
	return r
}

// wasKilled tells a program that was killed from one that ended by itself just before.
func wasKilled(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
