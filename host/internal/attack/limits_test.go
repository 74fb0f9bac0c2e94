package attack

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/provisor/provisor/host/internal/server"
	wt "github.com/provisor/provisor/host/internal/wasmtest"
	"github.com/provisor/provisor/proto/guestpb"
)

const byCompiler = "Modules are compiled by a process of their own, which is ended: not loaded"

// settings are attacks on limits that have nothing to do with each other.
func settings() []attack {
	return []attack{
		{"computing all day", "Loops, where no deadline is near", "`cpu_millis` of a request, which the error names: waiting does not count", runs(limited(&guestpb.Limits{CpuMillis: 200}), handling(forever()),
			"(setting cpu_millis)", nil)},
		{"logs faster than anybody reads", "The echo plugin logs 200 kB at once", "`log_bytes_per_second`: the plugin is slowed down, the client is told once, nothing is lost", fastLogs},
		{"a module that is large", "A module of 2 MiB", "`module_bytes`: not loaded", refusedIn(limited(&guestpb.Limits{ModuleBytes: 1 << 20}), func() []byte {
			m := newModule()
			m.Custom("padding", make([]byte, 2<<20))
			return m.report()
		}, "(setting module_bytes)")},
		{"blocks in blocks", "200,000 blocks, each in the one before: the compiler takes a time that grows with the square", byCompiler + " after `compile_millis`", compilesForAges},
		{"targets without end", "A `br_table` with 400,000 targets, for which the compiler takes gigabytes", byCompiler + " at `compile_bytes`, or after `compile_millis`", refusedIn(
			limited(&guestpb.Limits{CompileBytes: 300 << 20, CompileMillis: 3000}), func() []byte {
				const targets = 400_000
				return handling([]byte{0x02, 0x40}, zero, []byte{0x0e}, wt.Leb(targets), bytes.Repeat([]byte{0}, targets+1), []byte{0x0b})()
			}, "(setting compile_")},
	}
}

func fastLogs(t *testing.T, a *arena) {
	d := startDaemon(t, limited(&guestpb.Limits{LogBytesPerSecond: 64 << 10, LogBurstBytes: 64 << 10}), server.Options{})
	began := time.Now()
	text, logs := d.misbehave(t, "flood info 200 "+strings.Repeat("x", 1000))
	if took := time.Since(began); text != "" || took < 500*time.Millisecond {
		t.Errorf("the Complete says %q after %s", text, took)
	}
	told := 0
	for _, l := range logs {
		if strings.Contains(l, "log_bytes_per_second") {
			told++
		}
	}
	if told != 1 || len(logs) != 201 {
		t.Errorf("the client was told %d times, and got %d logs", told, len(logs))
	}
	a.clean(t, d)
}

func compilesForAges(t *testing.T, _ *arena) {
	const depth = 200_000
	began := time.Now()
	refusedIn(limited(&guestpb.Limits{CompileMillis: 1000}), handling(bytes.Repeat([]byte{0x02, 0x40}, depth), bytes.Repeat([]byte{0x0b}, depth)),
		"(setting compile_millis)")(t, nil)
	if took := time.Since(began); took > late {
		t.Errorf("it took %s", took)
	}
}
