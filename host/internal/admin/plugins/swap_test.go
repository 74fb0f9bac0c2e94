package plugins_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/wasmtest"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// echo is the echo plugin, built once, as version 0.0.N of itself: what its step "mark" logs says N, too, and comes from its own data.
func echo(t testing.TB, n int) []byte {
	t.Helper()
	cache, err := host.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	file, err := plugin.BuildCached(t.Context(), filepath.FromSlash("../../../../plugins/echo"), plugin.BuildOptions{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	blank := []byte("echo-mark:00000000")
	if bytes.Count(module, blank) != 1 {
		t.Fatalf("the plugin has its mark %d times in it", bytes.Count(module, blank))
	}
	m, err := plugin.ReadManifest(module)
	if err != nil {
		t.Fatal(err)
	}
	m.Version, m.Programs, m.Env = fmt.Sprintf("0.0.%d", n), nil, nil
	return wasmtest.WithManifest(bytes.Replace(module, blank, []byte(mark(n)), 1), m)
}

func mark(n int) string { return fmt.Sprintf("echo-mark:%08d", n) }

// TestSwapUnderLoad swaps the plugin 50 times while 500 sessions come and go: none fails, each sees one version only, and memory returns
// to where it was.
func TestSwapUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("500 sessions")
	}
	const versions = 3
	swaps, sessions := 50, 500
	if slow {
		swaps, sessions = 20, 150
	}
	d := start(t, echo(t, 0), func(o *host.Options) { o.Concurrency = 16 })
	for n := 1; n <= versions; n++ {
		d.must(d.install(echo(t, n)))
	}
	// All that is made once is made before memory is looked at.
	for n := 1; n <= versions; n++ {
		d.must(d.use(fmt.Sprintf("echo@0.0.%d", n), "", 0))
		d.must(d.play(t.Context(), nil))
	}
	d.must(d.use("echo@0.0.1", "", 0))
	daemontest.Soon(func() bool { sessions, loaded := d.inUse(); return sessions == 0 && loaded == 1 })
	before := memoryNow(t)

	began := time.Now()
	var finished atomic.Int64
	swapped := make(chan error, 1)
	go func() { swapped <- d.swap(t.Context(), swaps, sessions, versions, &finished) }()
	var running sync.WaitGroup
	var seen sync.Map
	slots := make(chan struct{}, 12)
	most := uint64(0)
	for i := range sessions {
		slots <- struct{}{}
		if i%50 == 25 {
			most = max(most, rss(t))
		}
		running.Go(func() {
			defer func() { <-slots }()
			if err := d.play(t.Context(), &seen); err != nil {
				t.Errorf("session %d: %v", i, err)
			}
			finished.Add(1)
		})
	}
	running.Wait()
	if err := <-swapped; err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)

	d.must(d.use("echo@0.0.1", "", 0))
	if !daemontest.Soon(func() bool { sessions, loaded := d.inUse(); return sessions == 0 && loaded == 1 }) {
		sessions, loaded := d.inUse()
		t.Errorf("%d sessions are said to go on, and %d versions are in memory", sessions, loaded)
	}
	after := memoryNow(t)
	got := 0
	seen.Range(func(any, any) bool { got++; return true })
	t.Logf("%d sessions during %d swaps of %d versions in %s: %d versions were seen", sessions, swaps, versions, took.Round(time.Millisecond), got)
	t.Logf("before: %s; most while it ran: %d MiB; after: %s", before, most>>20, after)
	if got != versions {
		t.Errorf("sessions saw %d versions of %d: the swaps were not under load", got, versions)
	}
	// A version's code has some 20 MiB, and more than 50 of them were loaded.
	if after.code > before.code+4<<20 {
		t.Errorf("%d KiB of compiled code are mapped, before it were %d", after.code>>10, before.code>>10)
	}
	if after.resident > before.resident+48<<20 && !slow { // the detector remembers what was in memory
		t.Errorf("%d MiB are resident, before it were %d", after.resident>>20, before.resident>>20)
	}
}

// inUse is how many sessions there are, and how many versions of the plugin are in memory.
func (d *daemon) inUse() (sessions, loaded int) {
	for _, v := range d.info("echo").Versions {
		sessions += v.Sessions
		if v.Loaded {
			loaded++
		}
	}
	return sessions, loaded
}

// swap uses one version after the other, spread over the sessions.
func (d *daemon) swap(ctx context.Context, swaps, sessions, versions int, finished *atomic.Int64) error {
	for i := range swaps {
		for finished.Load() < int64(i*sessions/swaps) && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		if err := d.use(fmt.Sprintf("echo@0.0.%d", (i+1)%versions+1), "", 0); err != nil {
			return fmt.Errorf("swap %d: %w", i, err)
		}
	}
	return nil
}

// script has the plugin say its mark in each request.
const script = "on init\n mark\non plan\n mark\n sleep 20ms\non graph\n mark\n"

// play plays a session, which must see one version only. Which that is, it notes.
func (d *daemon) play(ctx context.Context, seen *sync.Map) error {
	s, first, err := d.session(ctx, "default", daemontest.EchoTemplate(script))
	if err != nil {
		return err
	}
	defer s.Close()
	if !strings.HasPrefix(first, "echo-mark:") {
		return fmt.Errorf("the init's mark is %q", first)
	}
	for _, req := range []*pb.Request{plan, graph} {
		again, err := ask(ctx, s, req)
		if err != nil {
			return err
		}
		if again != first {
			return fmt.Errorf("it saw %s, and then %s", first, again)
		}
	}
	if seen != nil {
		seen.Store(first, true)
	}
	return end(s)
}

// memory is what a process has of it.
type memory struct {
	// resident is in bytes, heap the part of it that Go's objects take, and code what is mapped of compiled plugins.
	resident, heap, code uint64
}

func (m memory) String() string {
	return fmt.Sprintf("%d MiB resident, %d MiB of it in objects; %d KiB of code", m.resident>>20, m.heap>>20, m.code>>10)
}

// memoryNow is what is in use once all that is not has been given back.
func memoryNow(t *testing.T) memory {
	t.Helper()
	var m memory
	for range 5 {
		debug.FreeOSMemory()
		time.Sleep(20 * time.Millisecond) // finalizers run beside
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	m.heap = stats.HeapAlloc
	if runtime.GOOS != "linux" {
		m.resident = stats.Sys - stats.HeapReleased
		return m
	}
	m.resident = rss(t)
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		// Executable and of no file.
		var from, to uint64
		if f := strings.Fields(line); len(f) == 5 && f[1] == "r-xp" && f[4] == "0" {
			if _, err := fmt.Sscanf(f[0], "%x-%x", &from, &to); err != nil {
				t.Fatal(err)
			}
			m.code += to - from
		}
	}
	return m
}

// rss is the resident set of this process in bytes, where the system says so.
func rss(t *testing.T) uint64 {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseUint(strings.Fields(string(statm))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * uint64(os.Getpagesize())
}
