package wasmtest

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// maxSmallest is what the smallest plugin may weigh, in bytes; it has 7.5 MB, of which 6.7 are Go's runtime and protobuf, and
// 0.5 is archive/tar: the SDK reads a small archive while it initialises, so that snapshots have that done.
const maxSmallest = 7_800_000

func TestModuleIsWhatTheABISays(t *testing.T) {
	b := build(t, "nothing")
	if len(b) > maxSmallest {
		t.Errorf("the smallest plugin has %d bytes, and should have at most %d: which import became heavier?", len(b), maxSmallest)
	}
	_, m := compile(t)
	exports := m.ExportedFunctions()
	for _, f := range abi.Exports {
		d, ok := exports[f.Name]
		if !ok {
			if !f.Optional {
				t.Errorf("the export %s is missing", f.Name)
			}
			continue
		}
		if !bytes.Equal(d.ParamTypes(), valueTypes(f.Params)) || !bytes.Equal(d.ResultTypes(), valueTypes(f.Results)) {
			t.Errorf("the export %s has another signature", f)
		}
	}
	for _, d := range m.ImportedFunctions() {
		module, name, _ := d.Import()
		if module != abi.HostModule {
			continue
		}
		i := slices.IndexFunc(abi.Imports, func(f abi.Function) bool { return f.Name == name })
		if i < 0 {
			t.Errorf("the import %s is not in the ABI", name)
			continue
		}
		if f := abi.Imports[i]; !bytes.Equal(d.ParamTypes(), valueTypes(f.Params)) || !bytes.Equal(d.ResultTypes(), valueTypes(f.Results)) {
			t.Errorf("the import %s has another signature", f)
		}
	}
}

func TestABIVersion(t *testing.T) {
	i := start(t, newTestHost())
	if v, err := i.call(abi.ExportABIVersion); err != nil || v != abi.Version {
		t.Errorf("provisor_abi_version() = %#x, %v; want %#x", v, err, abi.Version)
	}
}

func TestAllocRefusesWhatDoesNotFit(t *testing.T) {
	h := newTestHost()
	h.info.Limits = &guestpb.Limits{MemoryBytes: 256 << 20}
	i := start(t, h)
	for _, size := range []int32{-1, -1 << 31, 1<<31 - 1, 1<<30 + 1, 1 << 30, 256 << 20, 250 << 20} {
		if ptr, err := i.call(abi.ExportAlloc, uint64(uint32(size))); err != nil || ptr != 0 {
			t.Errorf("provisor_alloc(%d) = %d, %v; want 0", size, ptr, err)
		}
	}
	if ptr, err := i.call(abi.ExportAlloc, 0); err != nil || ptr == 0 {
		t.Errorf("provisor_alloc(0) = %d, %v", ptr, err)
	}
	if got := i.plan("state", []byte("still here")); string(got.GetPlan()) != "still here" {
		t.Errorf("the instance answers %v after allocations that it refused", got)
	}
}

func TestHandleRefusesForeignPointers(t *testing.T) {
	i := start(t, newTestHost())
	ptr := i.put([]byte("xxxx"))
	for name, args := range map[string][]uint64{
		"not allocated": {ptr + 1, 3}, "too long": {ptr, 5}, "null": {0, 4}, "far": {1 << 31, 4},
	} {
		if status, err := i.call(abi.ExportHandle, args...); err != nil || status == 0 {
			t.Errorf("%s: provisor_handle = %d, %v", name, status, err)
		}
		ptr = i.put([]byte("xxxx"))
	}
	if status, err := i.call(abi.ExportHandle, ptr, 4); err != nil || status == 0 || len(i.host.responses) > 0 {
		t.Errorf("garbage: provisor_handle = %d, %v, with %d responses", status, err, len(i.host.responses))
	}
}

func TestRequestSurvivesGarbageCollection(t *testing.T) {
	i := start(t, newTestHost())
	state := bytes.Repeat([]byte("s"), 8<<20)
	if got := i.plan("collect", state); string(got.GetPlan()) != "200 0" {
		t.Errorf("answer %q, %q", got.GetPlan(), got.GetError())
	}
}

func TestLargeRequestFitsTwice(t *testing.T) {
	h := newTestHost()
	h.info.Limits = &guestpb.Limits{MemoryBytes: 256 << 20}
	i := start(t, h)
	state := bytes.Repeat([]byte("s"), 64<<20)
	for range 2 {
		if got := i.plan("panic", state); got.GetError() == "" {
			t.Error("no error")
		}
	}
}

func TestPanic(t *testing.T) {
	i := start(t, newTestHost())
	got := i.plan("panic", nil)
	if want := "the plugin panicked in plan: on purpose"; got.GetError() != want {
		t.Errorf("error %q, want %q", got.GetError(), want)
	}
	if log := i.host.stderr.String(); !strings.Contains(log, "on purpose") || !strings.Contains(log, "probe/main.go") {
		t.Errorf("the stack is not on standard error:\n%s", log)
	}
	if got := i.plan("info", nil); got.GetError() != "" {
		t.Errorf("after a panic: %v", got)
	}
}

func TestSessionInfoLongerThanTheFirstBuffer(t *testing.T) {
	h := newTestHost()
	level := strings.Repeat("level", 1000)
	h.info.Config = &pb.Config{ProvisionerLogLevel: level}
	if got := start(t, h).plan("info", nil); string(got.GetPlan()) != level {
		t.Errorf("SessionInfo has %q", got.GetPlan())
	}
}

func TestOutput(t *testing.T) {
	h := newTestHost()
	h.output = []piece{{abi.Stdout, strings.Repeat("o", 100_000)}, {abi.Stderr, "why"}, {abi.TimedOut, ""}, {abi.Stdout, "end"}}
	h.result = &guestpb.ExecResult{ExitCode: 3, KilledBy: strings.Repeat("k", 1000)}
	got := start(t, h).plan("output", nil)
	want := strings.Repeat("o", 100_000) + "end|why|exit status 3|" + h.result.GetKilledBy()
	if string(got.GetPlan()) != want {
		t.Errorf("got %.200q, error %q", got.GetPlan(), got.GetError())
	}
	if !h.closed {
		t.Error("the handle was not closed")
	}
}

func TestStdinIsFedInShortWrites(t *testing.T) {
	h := newTestHost()
	h.takes = func(call int) int { return 7000 * (call % 3) }
	state := bytes.Repeat([]byte("0123456789"), 20_000)
	got := start(t, h).plan("stdin", state)
	if !bytes.Equal(got.GetPlan(), state) {
		t.Errorf("the program read %d bytes of %d, error %q", len(got.GetPlan()), len(state), got.GetError())
	}
}

func TestHostErrorsCarryTheirText(t *testing.T) {
	got := start(t, newTestHost()).plan("denied", nil)
	if want := "run forbidden: the operator does not grant forbidden true true"; string(got.GetPlan()) != want {
		t.Errorf("got %q, want %q", got.GetPlan(), want)
	}
}

func TestContextNoticesACancelByItself(t *testing.T) {
	h := newTestHost()
	h.canceled = func(calls int) bool { return calls > 5 }
	got := start(t, h).plan("cancel", nil)
	if want := "context canceled true"; string(got.GetPlan()) != want {
		t.Errorf("got %q, want %q", got.GetPlan(), want)
	}
}

func TestDeadlineOfThePluginsOwn(t *testing.T) {
	h := newTestHost()
	for range 100_000 { // a program that says nothing until it is interrupted
		h.output = append(h.output, piece{abi.TimedOut, ""})
	}
	h.result = &guestpb.ExecResult{ExitCode: -1, Signal: "interrupt"}
	i := start(t, h)
	got := i.plan("timeout", nil)
	if want := "signal: interrupt true"; string(got.GetPlan()) != want {
		t.Errorf("got %q, want %q", got.GetPlan(), want)
	}
	if len(h.signals) != 1 || h.signals[0] != abi.SignalInterrupt {
		t.Errorf("signals %v", h.signals)
	}
}

func TestExtractArchive(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct {
		name, content string
		mode          int64
	}{{"./run.sh", "#!", 0o755}, {"modules/a/main.tf", "{}", 0o644}} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.content)), Mode: f.mode}); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(f.content))
	}
	w.Flush()
	i := start(t, newTestHost())
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.Mkdir(outside, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(i.work, "modules")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "new"), filepath.Join(i.work, "run.sh")); err != nil {
		t.Fatal(err)
	}
	got := i.plan("extract", b.Bytes())
	if want := "/work/modules/a/main.tf={} /work/run.sh=#!"; string(got.GetPlan()) != want {
		t.Errorf("got %q, want %q, error %q", got.GetPlan(), want, got.GetError())
	}
	if got := i.host.chmods["/work/run.sh"]; got != 0o755 {
		t.Errorf("run.sh has the mode %#o", got)
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("something was written through the link: %v", left)
	}
}
