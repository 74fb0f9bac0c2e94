package main

import (
	"os"
	"runtime"
)

// spareHeap is counted as a part of the heap and never touched, so that it takes no memory. Go lets a heap double before it collects garbage: a
// daemon's has some MB, and would be collected in every session.
const spareHeap = 16 << 20

// collectSeldom has garbage collected once there is spareHeap more of it, until stop is called. Where the operator has told Go when to collect, that
// counts: the spare heap would be taken off a limit.
func collectSeldom() (stop func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	spare := make([]byte, spareHeap)
	return func() { runtime.KeepAlive(spare) }
}
