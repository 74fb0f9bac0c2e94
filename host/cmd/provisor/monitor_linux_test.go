package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The thread is the one that sleeps for moments while others are busy, and may sleep for longer.
func TestSlowMonitor(t *testing.T) {
	tid, err := monitorThread()
	if err != nil {
		t.Fatal(err)
	}
	slack := filepath.Join("/proc", tid, "timerslack_ns")
	if _, err := os.ReadFile(slack); err != nil {
		t.Skip(err)
	}
	slowMonitor()
	got, err := os.ReadFile(slack)
	if want := strconv.FormatInt(monitorSlack.Nanoseconds(), 10); err != nil || strings.TrimSpace(string(got)) != want {
		t.Errorf("the slack of thread %s is %q, %v; want %s", tid, got, err, want)
	}
	call := filepath.Join("/proc/self/task", tid, "syscall")
	sleeps := strconv.Itoa(unix.SYS_NANOSLEEP) + " "
	deadline := time.Now().Add(10 * time.Second)
	const looks = 1000
	for seen := 0; seen < looks/2; {
		seen = 0
		for range looks {
			text, err := os.ReadFile(call)
			if err != nil {
				t.Skip(err)
			}
			if strings.HasPrefix(string(text), sleeps) {
				seen++
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("thread %s is not Go's monitor: it slept in %d of %d looks", tid, seen, looks)
		}
	}
}
