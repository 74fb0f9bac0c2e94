package main

import (
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// monitorSlack is how much later than it asks for Go's monitor may be woken up.
const monitorSlack = time.Millisecond

// slowMonitor has the kernel wake up Go's monitor less often. This thread of Go's runtime looks after the others every 20 µs for as long as
// anything runs, which with the usual slack of 50 µs is a twentieth of what a daemon does. What it does in time all the same: it takes
// processors from goroutines that run for 10 ms or wait in the kernel. The kernel allows it where there is CAP_SYS_NICE; otherwise nothing changes.
func slowMonitor() {
	if tid, err := monitorThread(); err == nil {
		_ = os.WriteFile(filepath.Join("/proc", tid, "timerslack_ns"), []byte(strconv.FormatInt(monitorSlack.Nanoseconds(), 10)), 0)
	}
}

// monitorThread is the monitor's id: the first thread that Go starts, and /proc lists threads in that order.
func monitorThread() (tid string, err error) {
	tasks, err := os.Open("/proc/self/task")
	if err != nil {
		return "", err
	}
	defer tasks.Close()
	tids, err := tasks.Readdirnames(2)
	if err != nil {
		return "", err
	}
	if len(tids) < 2 {
		return "", os.ErrNotExist
	}
	return tids[1], nil
}
