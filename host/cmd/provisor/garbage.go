package main

import "runtime"

// spareHeap is counted as a part of the heap and never touched, so that it takes no memory. Go lets a heap double before it collects garbage: a
// daemon's has some MB, and would be collected in every session.
const spareHeap = 16 << 20

// collectSeldom has garbage collected once there is spareHeap more of it, until stop is called.
func collectSeldom() (stop func()) {
	spare := make([]byte, spareHeap)
	return func() { runtime.KeepAlive(spare) }
}
