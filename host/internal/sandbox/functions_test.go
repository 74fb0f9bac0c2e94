package sandbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/wasmtest"
	"github.com/provisor/provisor/proto/guestpb"
)

// script is a plugin that makes host calls and responds with their results.
type script struct {
	*wasmtest.Plugin
	body  []byte
	calls int
	next  int32
}

// resultsAt is where the results are, 8 bytes each; scripts keep their data in resultsAt..wasmtest.RequestAt.
const resultsAt = 4 << 10

func newScript() *script { return &script{Plugin: wasmtest.NewPlugin(), next: 8 << 10} }

// put places bytes in the memory, and returns pointer and length.
func (s *script) put(b string) (ptr, size int32) {
	s.Data(s.next, []byte(b))
	ptr = s.next
	s.next += int32(len(b))
	return ptr, int32(len(b))
}

// call calls a host function with constants.
func (s *script) call(name string, args ...int32) {
	call := s.Host(name, args...)
	if name != abi.FuncExecRead {
		call = append(call, 0xac) // i64.extend_i32_s
	}
	s.body = append(s.body, wasmtest.I32Const(int32(resultsAt+8*s.calls))...)
	s.body = append(append(s.body, call...), wasmtest.I64Store(0)...)
	s.calls++
}

// with calls a host function with a string as its last two arguments, or followed by more.
func (s *script) with(name, text string, more ...int32) {
	ptr, size := s.put(text)
	s.call(name, append([]int32{ptr, size}, more...)...)
}

// run runs the script and returns the results, and the memory from resultsAt on.
func (s *script) run(t *testing.T, o Options, h Host) (results []int64, memory []byte) {
	t.Helper()
	i := newInstance(t, newRuntime(t, o), s.Handled(s.body, s.Host(abi.FuncRespond, resultsAt, 20<<10)), h)
	b, err := i.Handle(t.Context(), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for n := range s.calls {
		results = append(results, int64(binary.LittleEndian.Uint64(b[8*n:])))
	}
	return results, b
}

func (s *script) want(t *testing.T, h Host, want ...int64) {
	t.Helper()
	got, _ := s.run(t, Options{}, h)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func errno(e abi.Errno) int64 { return int64(e.Result()) }

// Whatever a plugin passes, it gets an errno, and goes on.
func TestBadPointersAreInvalid(t *testing.T) {
	const page = 64 << 10
	for _, at := range []struct{ ptr, size int32 }{
		{page, 1}, {page - 1, 2}, {0, page + 1}, {0, -1}, {-1, 1}, {-1, -1}, {-2, 2}, {1 << 30, 1 << 30}, {8, -8},
	} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			host := &fakeHost{info: []byte("info"), process: &fakeProcess{}}
			s := newScript()
			s.with(abi.FuncExecStart, "") // handle 1
			s.call(abi.FuncLog, 1, at.ptr, at.size)
			s.call(abi.FuncRespond, at.ptr, at.size)
			s.call(abi.FuncExecStart, at.ptr, at.size)
			s.call(abi.FuncExecRead, 1, at.ptr, at.size, 0)
			s.call(abi.FuncExecWrite, 1, at.ptr, at.size)
			s.call(abi.FuncChmod, at.ptr, at.size, 0o600)
			s.call(abi.FuncMode, at.ptr, at.size)
			s.call(abi.FuncCacheRestore, at.ptr, at.size)
			s.call(abi.FuncCacheSave, at.ptr, at.size)
			results, _ := s.run(t, Options{}, host)
			for n, r := range results[1:] {
				if r != errno(abi.Invalid) {
					t.Errorf("call %d returned %d", n+1, r)
				}
			}
			if len(host.logs)+len(host.saved) > 0 || len(host.started) != 1 {
				t.Errorf("the host was asked: %v, %v, %v", host.logs, host.saved, host.started)
			}
		})
	}
}

func TestBadPointersForResults(t *testing.T) {
	host := &fakeHost{info: []byte("0123456789"), process: &fakeProcess{}}
	s := newScript()
	s.with(abi.FuncExecStart, "")
	s.call(abi.FuncSessionInfo, 64<<10-5, 10)
	s.call(abi.FuncSessionInfo, -1, -1)
	s.call(abi.FuncLastError, 64<<10-5, 1000)
	s.call(abi.FuncExecWait, 1, 64<<10-5, 1000)
	// Nothing is written where it does not fit, so that the address does not matter.
	s.call(abi.FuncSessionInfo, -1, 9)
	s.call(abi.FuncSessionInfo, -1, 0)
	s.want(t, host, 1, -1, -1, -1, -1, 10, 10)
}

func TestSessionInfo(t *testing.T) {
	s := newScript()
	s.call(abi.FuncSessionInfo, resultsAt+100, 3)
	s.call(abi.FuncSessionInfo, resultsAt+200, 4)
	results, memory := s.run(t, Options{}, &fakeHost{info: []byte("info")})
	if diff := cmp.Diff([]int64{4, 4}, results); diff != "" {
		t.Error(diff)
	}
	if got := string(memory[100:104]); got != "\x00\x00\x00\x00" {
		t.Errorf("with a small buffer %q was written", got)
	}
	if got := string(memory[200:205]); got != "info\x00" {
		t.Errorf("%q was written", got)
	}
}

func TestLog(t *testing.T) {
	host := new(fakeHost)
	s := newScript()
	for _, level := range []int32{-1, 0, 4, 5} {
		ptr, size := s.put("hällo")
		s.call(abi.FuncLog, level, ptr, size)
	}
	s.call(abi.FuncLog, 2, -1, 0) // an empty text has no address
	ptr, _ := s.put("h\xe4llo")
	s.call(abi.FuncLog, 2, ptr, 5)
	s.want(t, host, -1, 0, 0, -1, 0, -1)
	if diff := cmp.Diff([]string{"TRACE hällo", "ERROR hällo", "INFO "}, host.logs); diff != "" {
		t.Error(diff)
	}
}

func TestLogTextIsBounded(t *testing.T) {
	p := wasmtest.NewPlugin()
	module := p.Handled(wasmtest.I32Const(512), wasmtest.MemoryGrow, wasmtest.Drop, p.Host(abi.FuncLog, 2, 0, maxLogText+1))
	_, err := newInstance(t, newRuntime(t, Options{}), module, &fakeHost{}).Handle(t.Context(), []byte("x"))
	if want := fmt.Sprintf("provisor_handle returned %d", abi.Limit.Result()); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestRespondOnce(t *testing.T) {
	p := wasmtest.NewPlugin()
	// The status is wrong unless the first and the third call return what they must.
	module := p.Handled(
		p.Respond("first"), wasmtest.Drop,
		p.Host(abi.FuncRespond, 0, 3), wasmtest.I32Const(int32(abi.WrongState)), wasmtest.I32Add)
	got, err := newInstance(t, newRuntime(t, Options{}), module, &fakeHost{}).Handle(t.Context(), []byte("x"))
	if err != nil || string(got) != "first" {
		t.Errorf("got %q, %v", got, err)
	}
}

// A response that is too big does not count: the plugin can say so in a smaller one.
func TestResponseIsBounded(t *testing.T) {
	p := wasmtest.NewPlugin()
	module := p.Handled(
		p.Host(abi.FuncRespond, 0, 1001), wasmtest.Drop,
		p.Host(abi.FuncLastError, 512, 200), wasmtest.LocalSet(0),
		wasmtest.I32Const(512), wasmtest.LocalGet(0), wasmtest.Call(p.Index(abi.FuncRespond)))
	r := newRuntime(t, Options{Limits: Limits{ResponseBytes: 1000}})
	got, err := newInstance(t, r, module, &fakeHost{}).Handle(t.Context(), []byte("x"))
	if err != nil || string(got) != "the response has 1001 bytes, the limit is 1000 bytes (setting response_bytes)" {
		t.Errorf("got %q, %v", got, err)
	}
}

// The response belongs to the caller: what the plugin does with its memory later does not change it.
func TestResponseIsACopy(t *testing.T) {
	p := wasmtest.NewPlugin()
	module := p.Handled(p.Respond("first"), wasmtest.Drop, wasmtest.I32Const(1024), wasmtest.I32Const(0), wasmtest.I32Const(9), wasmtest.MemoryFill, wasmtest.I32Const(0))
	got, err := newInstance(t, newRuntime(t, Options{}), module, &fakeHost{}).Handle(t.Context(), []byte("x"))
	if err != nil || string(got) != "first" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCanceled(t *testing.T) {
	host := new(fakeHost)
	s := newScript()
	s.call(abi.FuncCanceled)
	s.with(abi.FuncExecStart, "")
	host.canceled.Store(true)
	s.want(t, host, 1, errno(abi.Canceled))
}

func TestLastError(t *testing.T) {
	s := newScript()
	s.call(abi.FuncLastError, resultsAt+100, 100)
	s.with(abi.FuncMode, "/etc/passwd")
	s.call(abi.FuncCanceled) // a success leaves it
	s.call(abi.FuncLastError, resultsAt+200, 5)
	s.call(abi.FuncLastError, resultsAt+300, 100)
	const text = `the path "/etc/passwd" is neither under /work nor under /tmp`
	results, memory := s.run(t, Options{}, &fakeHost{})
	if diff := cmp.Diff([]int64{0, errno(abi.Invalid), 0, int64(len(text)), int64(len(text))}, results); diff != "" {
		t.Error(diff)
	}
	if got := string(memory[300 : 300+len(text)]); got != text {
		t.Errorf("got %q", got)
	}
}

func TestFileModes(t *testing.T) {
	s := newScript()
	s.with(abi.FuncChmod, "/work", 0o750)
	s.with(abi.FuncMode, "/work")
	s.with(abi.FuncMode, "../work/.") // relative to /work
	s.with(abi.FuncMode, "/tmp/../work")
	s.with(abi.FuncMode, "/work/../tmp/absent")
	s.with(abi.FuncMode, "/work/../../etc")
	s.with(abi.FuncMode, "/workshop")
	s.with(abi.FuncMode, "")
	s.with(abi.FuncMode, "..")
	s.with(abi.FuncMode, "/")
	s.with(abi.FuncMode, "/work/a\x00b")
	s.with(abi.FuncMode, "/work/\xff")
	s.with(abi.FuncMode, "/work/"+strings.Repeat("a", 4<<10))
	s.with(abi.FuncChmod, "/work", 0o4755)
	s.with(abi.FuncChmod, "/work", -1)
	bad := errno(abi.Invalid)
	s.want(t, &fakeHost{}, 0, 0o750, 0o750, 0o750, errno(abi.NotFound), bad, bad, 0o750, bad, bad, bad, bad, errno(abi.Limit), bad, bad)
}

func TestCache(t *testing.T) {
	host := &fakeHost{cache: map[string]bool{"known": true}}
	save, err := proto.Marshal(&guestpb.CacheSave{Key: "k", Paths: []string{".terraform"}})
	if err != nil {
		t.Fatal(err)
	}
	long, err := proto.Marshal(&guestpb.CacheSave{Key: strings.Repeat("k", maxCacheKey+1)})
	if err != nil {
		t.Fatal(err)
	}
	s := newScript()
	s.with(abi.FuncCacheRestore, "known")
	s.with(abi.FuncCacheRestore, "other")
	s.with(abi.FuncCacheRestore, strings.Repeat("k", maxCacheKey+1))
	s.with(abi.FuncCacheSave, string(save))
	s.with(abi.FuncCacheSave, "\xff\xff")
	s.with(abi.FuncCacheSave, string(long))
	s.want(t, host, 1, 0, errno(abi.Limit), 0, errno(abi.Invalid), errno(abi.Limit))
	want := []*guestpb.CacheSave{{Key: "k", Paths: []string{".terraform"}}}
	if diff := cmp.Diff(want, host.saved, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

// fakeProcess gives its output in pieces, and records what is done to it.
type fakeProcess struct {
	output  []string // "1text", the stream first
	block   bool
	closed  <-chan struct{} // what Close waits for; nil = nothing
	written strings.Builder
	done    []string
	closing sync.Mutex
}

func (p *fakeProcess) Read(ctx context.Context, buf []byte, timeout time.Duration) (abi.Stream, int, error) {
	p.done = append(p.done, fmt.Sprint("read ", timeout))
	if p.block {
		<-ctx.Done()
		return 0, 0, ctx.Err()
	}
	if len(p.output) == 0 {
		return abi.Ended, 0, nil
	}
	n := copy(buf, p.output[0][1:])
	stream := abi.Stream(p.output[0][0] - '0')
	p.output = p.output[1:]
	return stream, n, nil
}

func (p *fakeProcess) Write(b []byte) (int, error) {
	n := min(len(b), 3)
	p.written.Write(b[:n])
	return n, nil
}
func (p *fakeProcess) CloseStdin() error        { p.done = append(p.done, "stdin"); return nil }
func (p *fakeProcess) Interrupt() error         { p.done = append(p.done, "interrupt"); return nil }
func (p *fakeProcess) Kill(reason string) error { p.done = append(p.done, "kill "+reason); return nil }
func (p *fakeProcess) Wait(ctx context.Context) (*guestpb.ExecResult, error) {
	if p.block {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &guestpb.ExecResult{ExitCode: 3}, nil
}
func (p *fakeProcess) Close() error {
	p.closing.Lock()
	defer p.closing.Unlock()
	p.done = append(p.done, "close")
	if p.closed != nil {
		<-p.closed
	}
	return nil
}

func TestExec(t *testing.T) {
	req, err := proto.Marshal(&guestpb.ExecRequest{Program: "terraform", Args: []string{"version"}})
	if err != nil {
		t.Fatal(err)
	}
	result, err := proto.Marshal(&guestpb.ExecResult{ExitCode: 3})
	if err != nil {
		t.Fatal(err)
	}
	process := &fakeProcess{output: []string{"1out", "2error", "3"}}
	host := &fakeHost{process: process}
	s := newScript()
	s.with(abi.FuncExecStart, string(req))
	s.call(abi.FuncExecRead, 1, resultsAt+300, 100, -1)
	s.call(abi.FuncExecRead, 1, resultsAt+400, 100, 250)
	s.call(abi.FuncExecRead, 1, resultsAt+500, 100, 0)
	s.call(abi.FuncExecRead, 1, resultsAt+500, 100, 0)
	s.call(abi.FuncExecRead, 1, resultsAt+500, 0, 0)
	ptr, _ := s.put("input")
	s.call(abi.FuncExecWrite, 1, ptr, 5)
	s.call(abi.FuncExecWrite, 1, ptr+3, 2)
	s.call(abi.FuncExecWrite, 1, 0, 0)
	s.call(abi.FuncExecSignal, 1, abi.SignalInterrupt)
	s.call(abi.FuncExecSignal, 1, abi.SignalKill)
	s.call(abi.FuncExecSignal, 1, 15)
	s.call(abi.FuncExecWait, 1, resultsAt+600, 0)
	s.call(abi.FuncExecWait, 1, resultsAt+600, 100)
	s.call(abi.FuncExecClose, 1)
	for _, name := range []string{abi.FuncExecRead, abi.FuncExecWrite, abi.FuncExecWait, abi.FuncExecSignal, abi.FuncExecClose} {
		args := map[string][]int32{abi.FuncExecRead: {1, 0, 8, 0}, abi.FuncExecWrite: {1, 0, 8}, abi.FuncExecWait: {1, 0, 8}, abi.FuncExecSignal: {1, 2}, abi.FuncExecClose: {1}}
		s.call(name, args[name]...)
	}
	s.with(abi.FuncExecStart, "\xff")
	s.with(abi.FuncExecStart, string(req)) // a handle is never given twice
	results, memory := s.run(t, Options{}, host)
	bad, length := errno(abi.Invalid), int64(len(result))
	want := []int64{
		1, abi.PackRead(abi.Stdout, 3), abi.PackRead(abi.Stderr, 5), abi.PackRead(abi.TimedOut, 0), 0, errno(abi.TooSmall),
		3, 2, 0, 0, 0, bad, length, length, 0, bad, bad, bad, bad, bad, bad, 2,
	}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if got := string(memory[300:304]) + string(memory[400:406]); got != "out\x00error\x00" {
		t.Errorf("read %q", got)
	}
	if got := string(memory[600 : 600+len(result)]); got != string(result) {
		t.Errorf("the result is %q", got)
	}
	if process.written.String() != "input" {
		t.Errorf("written was %q", process.written.String())
	}
	wantDone := []string{"read -1ms", "read 250ms", "read 0s", "read 0s", "stdin", "interrupt", "kill ", "close"}
	if diff := cmp.Diff(wantDone, process.done); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("terraform", host.started[0].GetProgram()); diff != "" {
		t.Error(diff)
	}
}

func TestExecErrors(t *testing.T) {
	host := &fakeHost{startErr: fmt.Errorf("sh is not granted: %w", abi.Denied)}
	s := newScript()
	s.with(abi.FuncExecStart, "")
	host2 := &fakeHost{startErr: errors.New("the disk is on fire")}
	s.want(t, host, errno(abi.Denied))
	s = newScript()
	s.with(abi.FuncExecStart, "")
	s.want(t, host2, errno(abi.IO))
}

func TestOpenProgramsAreBounded(t *testing.T) {
	s := newScript()
	s.with(abi.FuncExecStart, "")
	s.with(abi.FuncExecStart, "")
	s.with(abi.FuncExecStart, "")
	s.call(abi.FuncExecClose, 1)
	s.with(abi.FuncExecStart, "")
	s.call(abi.FuncLastError, resultsAt+400, 200)
	got, memory := s.run(t, Options{Limits: Limits{OpenPrograms: 2}}, &fakeHost{process: &fakeProcess{}})
	want := "2 programs are open, which is the limit (setting open_programs): close one by exec_close"
	if diff := cmp.Diff([]int64{1, 2, errno(abi.Limit), 0, 3, int64(len(want))}, got); diff != "" {
		t.Error(diff)
	}
	if text := string(memory[400:][:len(want)]); text != want {
		t.Errorf("got %q", text)
	}
}

// What a plugin leaves is closed with its instance.
func TestCloseEndsPrograms(t *testing.T) {
	process := new(fakeProcess)
	p := wasmtest.NewPlugin()
	module := p.Handled(p.Host(abi.FuncExecStart, 0, 0), wasmtest.Drop, p.Host(abi.FuncRespond, 0, 0))
	i := newInstance(t, newRuntime(t, Options{}), module, &fakeHost{process: process})
	if _, err := i.Handle(t.Context(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := i.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"close"}, process.done); diff != "" {
		t.Error(diff)
	}
}

// A table lives in the host's memory. Without a bound, one instruction could take all of it.
func TestTablesAreBounded(t *testing.T) {
	s := newScript()
	s.Table(wasmtest.AtLeast(1))
	grow := func(by int32) {
		call := slices.Concat(wasmtest.RefNull, wasmtest.I32Const(by), wasmtest.TableGrow(0), []byte{0xac})
		s.body = append(s.body, slices.Concat(wasmtest.I32Const(int32(resultsAt+8*s.calls)), call, wasmtest.I64Store(0))...)
		s.calls++
	}
	grow(1000)
	grow(math.MaxInt32)
	grow(-2)
	grow(1 << 20)
	s.want(t, &fakeHost{}, 1, -1, -1, -1)
}

// wazero's descriptor table grows up to whatever number it is told.
func TestDescriptorsCannotBeNumbered(t *testing.T) {
	p := wasmtest.NewPlugin()
	i32 := wasmtest.I32
	open := p.ImportFunc("wasi_snapshot_preview1", "path_open", []wasmtest.Type{i32, i32, i32, i32, i32, wasmtest.I64, wasmtest.I64, i32, i32}, []wasmtest.Type{i32})
	renumber := p.ImportFunc("wasi_snapshot_preview1", "fd_renumber", []wasmtest.Type{i32, i32}, []wasmtest.Type{i32})
	p.Data(512, []byte("file"))
	module := p.Handled(
		// path_open(3, 0, "file", O_CREAT, rights, rights, 0, &600) must be 0: its result is added to the status.
		wasmtest.I32Const(3), wasmtest.I32Const(0), wasmtest.I32Const(512), wasmtest.I32Const(4), wasmtest.I32Const(1),
		wasmtest.I64Const(-1), wasmtest.I64Const(-1), wasmtest.I32Const(0), wasmtest.I32Const(600), wasmtest.Call(open),
		wasmtest.I32Const(600), wasmtest.I32Load(0), wasmtest.I32Const(math.MaxInt32), wasmtest.Call(renumber), wasmtest.I32Add)
	_, err := newInstance(t, newRuntime(t, Options{}), module, &fakeHost{}).Handle(t.Context(), []byte("x"))
	if err == nil || err.Error() != "provisor_handle returned 58" {
		t.Errorf("got %v", err)
	}
}
