package sandbox

import (
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// starts are the ways in which an instance can begin.
var starts = []struct {
	name    string
	options Options
}{{"Copied", Options{}}, {"Initialised", Options{NoSnapshots: true}}}

// BenchmarkInstantiate is what a session pays for an instance of a Go plugin: the half of all that cost less, and the 99th in a hundred.
func BenchmarkInstantiate(b *testing.B) {
	wasm := goGuest(b)
	for _, start := range starts {
		b.Run(start.name, func(b *testing.B) {
			m := benchModule(b, start.options, wasm)
			work, tmp := newDirFS(b), newDirFS(b)
			b.ReportAllocs()
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				i, err := m.Instantiate(b.Context(), InstanceConfig{Work: work, Tmp: tmp, Host: &fakeHost{}})
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
				if err := i.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkIdleInstances is the memory that each of 1,000 instances takes which has not run, and which has handled one small request.
func BenchmarkIdleInstances(b *testing.B) {
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		b.Skip("the system does not tell")
	}
	const many = 1000
	wasm := goGuest(b)
	for _, start := range starts {
		b.Run(start.name, func(b *testing.B) {
			m := benchModule(b, start.options, wasm)
			work, tmp := newDirFS(b), newDirFS(b)
			instances := make([]*Instance, many)
			empty := resident(b)
			for i := range instances {
				var err error
				if instances[i], err = m.Instantiate(b.Context(), InstanceConfig{Work: work, Tmp: tmp, Host: &fakeHost{}}); err != nil {
					b.Fatal(err)
				}
				defer instances[i].Close(b.Context())
			}
			b.ReportMetric(float64(resident(b)-empty)/many, "KiB/idle")
			for _, i := range instances {
				if _, err := i.Handle(b.Context(), []byte("random")); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(resident(b)-empty)/many, "KiB/used")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// resident is this process's memory in KiB, with pages that are mapped several times counted once.
func resident(b *testing.B) int {
	runtime.GC()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); fields[0] == "Pss:" {
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatal("the system does not tell how much memory is taken")
	return 0
}

func benchModule(b *testing.B, o Options, wasm []byte) *Module {
	r, err := New(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close(b.Context()) })
	m, err := r.Compile(b.Context(), snapshotOf(wasm))
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// What a request costs beside the work that it asks for.
func BenchmarkHandle(b *testing.B) {
	m := benchModule(b, Options{}, goGuest(b))
	i, err := m.Instantiate(b.Context(), InstanceConfig{Work: newDirFS(b), Tmp: newDirFS(b), Host: &fakeHost{}})
	if err != nil {
		b.Fatal(err)
	}
	defer i.Close(b.Context())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Handle(b.Context(), []byte("random")); err != nil {
			b.Fatal(err)
		}
	}
}
