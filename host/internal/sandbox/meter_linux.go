package sandbox

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadTime is the processor time of the calling thread, or negative where it is not to be had.
func threadTime() time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now) != nil {
		return -1
	}
	return time.Duration(now.Nano())
}
