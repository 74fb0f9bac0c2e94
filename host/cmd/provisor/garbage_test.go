package main

import (
	"runtime"
	"testing"
)

func TestSpareHeap(t *testing.T) {
	for _, c := range []struct {
		gogc, limit string
		want        bool
	}{{"", "", true}, {"50", "", false}, {"", "64MiB", false}} {
		t.Setenv("GOGC", c.gogc)
		t.Setenv("GOMEMLIMIT", c.limit)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		stop := collectSeldom()
		runtime.GC()
		runtime.ReadMemStats(&after)
		stop()
		if got := after.HeapAlloc >= before.HeapAlloc+spareHeap/2; got != c.want {
			t.Errorf("GOGC=%q, GOMEMLIMIT=%q: a spare heap is %v, want %v", c.gogc, c.limit, got, c.want)
		}
	}
}
