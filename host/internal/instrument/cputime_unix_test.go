//go:build unix

package instrument_test

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime is what the process has used: the machine may be busy with other things.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
