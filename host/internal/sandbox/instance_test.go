package sandbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/wasmtest"
)

func TestHandle(t *testing.T) {
	p := wasmtest.NewPlugin()
	i := newInstance(t, newRuntime(t, Options{}), p.Handled(p.Respond("hello"), wasmtest.Drop, wasmtest.I32Const(0)), &fakeHost{})
	for range 2 {
		got, err := i.Handle(t.Context(), []byte("request"))
		if err != nil || string(got) != "hello" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

func TestHandleEchoesTheRequest(t *testing.T) {
	p := wasmtest.NewPlugin()
	respond := wasmtest.Call(p.Index(abi.FuncRespond))
	i := newInstance(t, newRuntime(t, Options{}), p.Handled(wasmtest.LocalGet(0), wasmtest.LocalGet(1), respond), &fakeHost{})
	for _, request := range []string{"a", strings.Repeat("b", 30<<10), ""} {
		got, err := i.Handle(t.Context(), []byte(request))
		if err != nil || string(got) != request {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

func TestFailures(t *testing.T) {
	type plugin = wasmtest.Plugin
	loop := wasmtest.Loop(wasmtest.Br(0))
	zero := wasmtest.I32Const(0)
	tests := map[string]struct {
		module func(p *plugin) []byte
		limits Limits
		kind   Kind
		text   string
	}{
		"trap": {
			module: func(p *plugin) []byte { return p.Handled(wasmtest.Unreachable) },
			kind:   Trap, text: "trapped: unreachable",
		},
		"division by zero": {
			module: func(p *plugin) []byte { return p.Handled(zero, zero, []byte{0x6d}) },
			kind:   Trap, text: "trapped: integer divide by zero",
		},
		"address outside the memory": {
			module: func(p *plugin) []byte { return p.Handled(wasmtest.I32Const(-4), wasmtest.I32Load(0)) },
			kind:   Trap, text: "trapped: out of bounds memory access",
		},
		"endless loop": {
			module: func(p *plugin) []byte { return p.Handled(loop, zero) },
			kind:   Deadline, text: "interrupted: the request's deadline passed",
		},
		"endless sleep": {
			module: func(p *plugin) []byte {
				return p.Handled(sleepFor(p, 1<<62), zero)
			},
			kind: Deadline, text: "interrupted: the request's deadline passed",
		},
		"endless loop of host calls": {
			module: func(p *plugin) []byte {
				return p.Handled(wasmtest.Loop(p.Host(abi.FuncCanceled), wasmtest.Drop, wasmtest.Br(0)), zero)
			},
			kind: Deadline, text: "interrupted: the request's deadline passed",
		},
		"endless recursion": {
			module: func(p *plugin) []byte {
				self := p.Func(nil, []wasmtest.Type{wasmtest.I32}, nil, wasmtest.Call(uint32(len(abi.Imports)+7)), wasmtest.I32Const(1), wasmtest.I32Add)
				return p.Handled(wasmtest.Call(self))
			},
			kind: Trap, text: "trapped: stack overflow",
		},
		"memory without end": {
			module: func(p *plugin) []byte {
				grown := []byte{0x4f} // i32.ge_u
				return p.Handled(
					wasmtest.Loop(wasmtest.I32Const(16), wasmtest.MemoryGrow, wasmtest.I32Const(-1), grown, wasmtest.I32Eqz, []byte{0x0d, 0}), // br_if
					wasmtest.Unreachable)
			},
			limits: Limits{MemoryBytes: 16 << 20},
			kind:   Memory, text: "out of memory: it wanted 16448 KiB, the limit is 16 MiB (setting memory_bytes); it then trapped: unreachable",
		},
		"no response": {
			module: func(p *plugin) []byte { return p.Handled(zero) },
			kind:   NoResponse, text: "provisor_handle returned without an answer",
		},
		"a status": {
			module: func(p *plugin) []byte { return p.Handled(p.Respond("ignored"), wasmtest.Drop, wasmtest.I32Const(-3)) },
			kind:   Status, text: "provisor_handle returned -3",
		},
		"exit": {
			module: func(p *plugin) []byte { return p.Handled(p.Host("proc_exit", 3), wasmtest.Unreachable) },
			kind:   Exit, text: "exited with code 3",
		},
		"exit with a number that wazero uses": {
			module: func(p *plugin) []byte { return p.Handled(p.Host("proc_exit", -1), wasmtest.Unreachable) },
			kind:   Exit, text: "exited with code 4294967295",
		},
		"exit with success": {
			module: func(p *plugin) []byte {
				return p.Handled(p.Respond("x"), wasmtest.Drop, p.Host("proc_exit", 0), wasmtest.Unreachable)
			},
			kind: Exit, text: "exited with code 0",
		},
		"no room for the request": {
			module: func(p *plugin) []byte { return withAlloc(p, 0) },
			kind:   Memory, text: "out of memory: it has no room for a request of 7 bytes; its memory is limited to 256 MiB (setting memory_bytes)",
		},
		"a buffer outside the memory": {
			module: func(p *plugin) []byte { return withAlloc(p, 64<<10-6) },
			kind:   Protocol, text: "provisor_alloc(7) returned 65530, which is not inside its memory of 65536 bytes",
		},
		"a panic of the host": {
			module: func(p *plugin) []byte {
				p.Data(1024, []byte("panic"))
				return p.Handled(p.Host(abi.FuncCacheRestore, 1024, 5))
			},
			kind: Internal, text: "a function of the host failed: oh no",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newInstance(t, newRuntime(t, Options{Limits: test.limits}), test.module(wasmtest.NewPlugin()), &fakeHost{})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if test.kind == Deadline {
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			}
			defer cancel()
			response, err := i.Handle(ctx, []byte("request"))
			var f *Failure
			if !errors.As(err, &f) || f.Kind != test.kind {
				t.Fatalf("got %q, %v, want a failure of kind %v", response, err, test.kind)
			}
			if !strings.HasPrefix(f.Text, test.text) && test.kind == Internal || f.Text != test.text && test.kind != Internal {
				t.Errorf("got  %q\nwant %q", f.Text, test.text)
			}
			_, err = i.Handle(t.Context(), nil)
			if !errors.As(err, &f) || f.Kind != Spent {
				t.Errorf("after a failure: got %v", err)
			}
		})
	}
}

// withAlloc returns a plugin whose provisor_alloc returns that address.
func withAlloc(p *wasmtest.Plugin, address int32) []byte {
	p.Define(abi.ExportABIVersion, nil, wasmtest.I32Const(abi.Version))
	p.Define(abi.ExportAlloc, nil, wasmtest.I32Const(address))
	p.Define(abi.ExportHandle, nil, p.Respond("x"))
	p.Memory(wasmtest.AtLeast(1))
	p.ExportMemory(abi.ExportMemory)
	return p.Bytes()
}

// sleepFor sleeps that many nanoseconds by poll_oneoff.
func sleepFor(p *wasmtest.Plugin, ns uint64) []byte {
	subscription := make([]byte, 48)
	subscription[8] = 0  // the clock
	subscription[16] = 1 // monotonic
	binary.LittleEndian.PutUint64(subscription[24:], ns)
	p.Data(2048, subscription)
	return append(p.Host("poll_oneoff", 2048, 3072, 1, 4096), wasmtest.Drop...)
}

func TestCanceledFailureCarriesTheCause(t *testing.T) {
	p := wasmtest.NewPlugin()
	i := newInstance(t, newRuntime(t, Options{}), p.Handled(wasmtest.Loop(wasmtest.Br(0)), wasmtest.I32Const(0)), &fakeHost{})
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(errors.New("the client hung up")) })
	_, err := i.Handle(ctx, []byte("x"))
	var f *Failure
	if !errors.As(err, &f) || f.Kind != Canceled || f.Text != "interrupted: the client hung up" || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestFailuresWhileStarting(t *testing.T) {
	tests := map[string]struct {
		define func(p *wasmtest.Plugin)
		want   string
	}{
		"_initialize traps": {
			func(p *wasmtest.Plugin) { p.Define(abi.ExportInitialize, nil, wasmtest.Unreachable) }, "trapped: unreachable",
		},
		"_initialize exits": {
			func(p *wasmtest.Plugin) { p.Define(abi.ExportInitialize, nil, p.Host("proc_exit", 2)) }, "exited with code 2",
		},
		"_initialize does not end": {
			func(p *wasmtest.Plugin) { p.Define(abi.ExportInitialize, nil, wasmtest.Loop(wasmtest.Br(0))) },
			"interrupted: the request's deadline passed",
		},
		"another major version": {
			func(p *wasmtest.Plugin) { p.Define(abi.ExportABIVersion, nil, wasmtest.I32Const((abi.Major+1)<<16)) },
			"it speaks version 2.0 of the ABI, this host speaks 1.0: it must be built with an SDK of major version 1",
		},
		"a newer minor version": {
			func(p *wasmtest.Plugin) { p.Define(abi.ExportABIVersion, nil, wasmtest.I32Const(abi.Version+1)) },
			"it needs version 1.1 of the ABI, this host has 1.0: use a newer host",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := wasmtest.NewPlugin()
			test.define(p)
			if !p.Defines(abi.ExportABIVersion) {
				p.Define(abi.ExportABIVersion, nil, wasmtest.I32Const(abi.Version))
			}
			p.Define(abi.ExportAlloc, nil, wasmtest.I32Const(1))
			p.Define(abi.ExportHandle, nil, wasmtest.I32Const(0))
			p.Memory(wasmtest.AtLeast(1))
			p.ExportMemory(abi.ExportMemory)
			timeout := time.Minute
			if name == "_initialize does not end" {
				timeout = 100 * time.Millisecond
			}
			r := newRuntime(t, Options{})
			r.snapshotTime = timeout
			m, err := r.Compile(t.Context(), snapshotOf(p.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			_, err = m.Instantiate(ctx, InstanceConfig{Work: newDirFS(t), Tmp: newDirFS(t), Host: &fakeHost{}})
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %v", err, test.want)
			}
		})
	}
}

// An _initialize runs before there is a request.
func TestNobodyToRespondToWhileStarting(t *testing.T) {
	p := wasmtest.NewPlugin()
	result := p.Global(0)
	p.Define(abi.ExportInitialize, nil, p.Respond("early"), wasmtest.GlobalSet(result))
	i := newInstance(t, newRuntime(t, Options{}), p.Handled(wasmtest.GlobalGet(result)), &fakeHost{})
	_, err := i.Handle(t.Context(), []byte("x"))
	if want := fmt.Sprintf("provisor_handle returned %d", abi.WrongState.Result()); err == nil || err.Error() != want {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestManyInstancesAtOnce(t *testing.T) {
	p := wasmtest.NewPlugin()
	// A global and the memory count requests: neither may be another instance's.
	count := p.Global(0)
	module := p.Handled(
		wasmtest.GlobalGet(count), wasmtest.I32Const(1), wasmtest.I32Add, wasmtest.GlobalSet(count),
		wasmtest.I32Const(512), wasmtest.GlobalGet(count), wasmtest.I32Store(0),
		p.Host(abi.FuncRespond, 512, 4))
	m, err := newRuntime(t, Options{}).Compile(t.Context(), snapshotOf(module))
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for range 16 {
		running.Go(func() {
			i, err := m.Instantiate(t.Context(), InstanceConfig{Work: newDirFS(t), Tmp: newDirFS(t), Host: &fakeHost{}})
			if err != nil {
				t.Error(err)
				return
			}
			defer i.Close(t.Context())
			for n := range uint32(50) {
				got, err := i.Handle(t.Context(), []byte("x"))
				if err != nil || binary.LittleEndian.Uint32(got) != n+1 {
					t.Errorf("request %d: got %v, %v", n, got, err)
					return
				}
			}
		})
	}
	running.Wait()
}

// Random bytes are the system's: two instances must not draw the same.
func TestRandomBytesDiffer(t *testing.T) {
	p := wasmtest.NewPlugin()
	module := p.Handled(p.Host("random_get", 512, 32), wasmtest.Drop, p.Host(abi.FuncRespond, 512, 32))
	r := newRuntime(t, Options{})
	var drawn [][]byte
	for range 2 {
		b, err := newInstance(t, r, module, &fakeHost{}).Handle(t.Context(), []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		drawn = append(drawn, b)
	}
	if bytes.Equal(drawn[0], drawn[1]) {
		t.Errorf("both drew %x", drawn[0])
	}
}

func TestOutputGoesToTheLog(t *testing.T) {
	p := wasmtest.NewPlugin()
	text := "one\n\nt" + strings.Repeat("w", maxLine) + "o\xff"
	p.Data(8<<10, []byte(text))
	iov := binary.LittleEndian.AppendUint32(nil, 8<<10)
	p.Data(512, binary.LittleEndian.AppendUint32(iov, uint32(len(text))))
	module := p.Handled(p.Host("fd_write", 2, 512, 1, 520), wasmtest.Drop, p.Respond("x"))
	var log bytes.Buffer
	i := newInstance(t, newRuntime(t, Options{Log: slog.New(slog.NewJSONHandler(&log, nil))}), module, &fakeHost{})
	if _, err := i.Handle(t.Context(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"line":"one"`, `"plugin":"test"`, `"line":"t` + strings.Repeat("w", maxLine-1) + `"`, `"line":"wo` + "\uFFFD"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %.40s", want)
		}
	}
	if got := strings.Count(log.String(), "\n"); got != 3 {
		t.Errorf("got %d lines:\n%.400s", got, log.String())
	}
}

// A plugin that writes on and on must neither fill the log nor outlive the request.
func TestOutputIsBounded(t *testing.T) {
	p := wasmtest.NewPlugin()
	const iovs, bytesEach = 1, 60 << 10 // many vectors of the same bytes are refused
	iov := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 0), bytesEach)
	p.Data(16<<10, bytes.Repeat(iov, iovs))
	module := p.Handled(wasmtest.Loop(p.Host("fd_write", 1, 16<<10, iovs, 8), wasmtest.Drop, wasmtest.Br(0)), wasmtest.I32Const(0))
	var log bytes.Buffer
	r := newRuntime(t, Options{Log: slog.New(slog.NewJSONHandler(&log, nil)), Limits: Limits{ConsoleBytes: 1000}})
	i := newInstance(t, r, module, &fakeHost{})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := i.Handle(ctx, []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended with %v", err)
	}
	if log.Len() > 20<<10 || !strings.Contains(log.String(), "writes too much") {
		t.Errorf("the log has %d bytes: %.500s", log.Len(), log.String())
	}
}

// A trap's stack names functions of the plugin, which are none of the client's business.
func TestStackGoesToTheLogOnly(t *testing.T) {
	p := wasmtest.NewPlugin()
	var log bytes.Buffer
	i := newInstance(t, newRuntime(t, Options{Log: slog.New(slog.NewJSONHandler(&log, nil))}), p.Handled(wasmtest.Unreachable), &fakeHost{})
	_, err := i.Handle(t.Context(), []byte("x"))
	if err == nil || strings.Contains(err.Error(), "stack") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(log.String(), `"stack":"\t.$`) || !strings.Contains(log.String(), `"plugin":"test"`) {
		t.Errorf("the log has %s", log.String())
	}
}

// The memory of a module may be as large as the limit can be, and is used up to its last byte.
func TestMemoryEndsBefore4GiB(t *testing.T) {
	p := wasmtest.NewPlugin()
	grown := p.Handled(wasmtest.I32Const(65534), wasmtest.MemoryGrow, wasmtest.Drop, wasmtest.I32Const(1), wasmtest.MemoryGrow, wasmtest.I32Const(1), wasmtest.I32Add,
		wasmtest.If(wasmtest.Unreachable), // there was one more page
		p.Host(abi.FuncLog, 2, -64<<10-1, 1), wasmtest.If(wasmtest.Unreachable),
		p.Host(abi.FuncLog, 2, -64<<10-1, 2), wasmtest.I32Eqz, wasmtest.If(wasmtest.Unreachable),
		p.Host(abi.FuncLog, 2, -1, 1), wasmtest.I32Eqz, wasmtest.If(wasmtest.Unreachable),
		p.Host(abi.FuncRespond, 0, 1))
	i := newInstance(t, newRuntime(t, Options{Limits: Limits{MemoryBytes: 4 << 30}}), grown, &fakeHost{})
	if _, err := i.Handle(t.Context(), []byte("x")); err != nil {
		t.Error(err)
	}
}

// Fuel does not see what a call of the host costs: a loop around an expensive one has to end as soon as any other.
func TestLoopsOfHostCallsEnd(t *testing.T) {
	for name, call := range map[string]func(*wasmtest.Plugin) []byte{
		"of WASI":    func(p *wasmtest.Plugin) []byte { return p.Host("random_get", 0, 16<<20) },
		"of the ABI": func(p *wasmtest.Plugin) []byte { return p.Host(abi.FuncLog, 2, 0, 16<<20) }, // refused after a look at all of it
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := wasmtest.NewPlugin()
			module := p.Handled(wasmtest.I32Const(256), wasmtest.MemoryGrow, wasmtest.Drop,
				wasmtest.I32Const(16<<20-4), wasmtest.I32Const(-1), wasmtest.I32Store(0),
				wasmtest.Loop(call(p), wasmtest.Drop, wasmtest.Br(0)), wasmtest.I32Const(0))
			i := newInstance(t, newRuntime(t, Options{}), module, &fakeHost{})
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, err := i.Handle(ctx, []byte("x"))
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it ended %s after its beginning", took)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
}
