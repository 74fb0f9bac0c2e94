package attack

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/server"
)

var soak = flag.Bool("soak", false, "hold 1,000 sessions instead of 100 and look what is left of them")

// held is what a daemon holds when no session is open.
type held struct{ goroutines, descriptors, processes, files, residentMiB int }

// memorySlack is by how much resident memory may differ between two looks, in MiB: the collector gives back what it likes.
const memorySlack = 32

// TestSoak holds sessions, ten at a time, and compares what is held after the first 50 with what is held after all.
func TestSoak(t *testing.T) {
	if testing.Short() || runtime.GOOS == "windows" {
		t.Skip("it takes a while, and its engine is a shell script")
	}
	d := startDaemon(t, host.Options{}, server.Options{})
	h := newHonest(t, d.honestSession)
	const first = 50
	sessions := 100
	if *soak {
		sessions = 1000
	}
	holdMany(t, d, h, first)
	before := d.held(t)
	holdMany(t, d, h, sessions-first)
	// Some of it goes a little later than the sessions do.
	var after held
	if !daemontest.Soon(func() bool { after = d.held(t); return after.within(before) }) {
		t.Errorf("after %d sessions there is more than after %d", sessions, first)
	}
	t.Logf("after %d sessions: %+v", first, before)
	t.Logf("after %d sessions: %+v", sessions, after)
}

func (h held) within(before held) bool {
	return h.goroutines <= before.goroutines && h.descriptors <= before.descriptors && h.processes <= before.processes && h.files <= before.files &&
		h.residentMiB <= before.residentMiB+memorySlack
}

func holdMany(t *testing.T, d *daemon, h *honest, sessions int) {
	t.Helper()
	slots := make(chan struct{}, 10)
	var running sync.WaitGroup
	for range sessions {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			if got, err := h.session(t.Context()); err != nil || got != h.alone {
				t.Errorf("%v, %s", err, got)
			}
		})
	}
	running.Wait()
	if !daemontest.Soon(func() bool { return len(daemontest.Left(d.data)) == 0 }) {
		t.Errorf("left behind: %q", daemontest.Left(d.data))
	}
}

// held looks at this process, which is the daemon, and at its data directory.
func (d *daemon) held(t *testing.T) held {
	t.Helper()
	debug.FreeOSMemory()
	h := held{goroutines: runtime.NumGoroutine(), descriptors: descriptors(t), processes: len(daemontest.ProcessesOf(d.data))}
	if err := filepath.WalkDir(d.data, func(_ string, _ fs.DirEntry, err error) error {
		h.files++
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			h.residentMiB = kib >> 10
		}
	}
	return h
}
