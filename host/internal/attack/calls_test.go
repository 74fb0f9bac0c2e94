package attack

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/server"
	wt "github.com/provisor/provisor/host/internal/wasmtest"
	"github.com/provisor/provisor/proto/guestpb"
)

const byBounds = "Bounds of all pointers are checked, without wrapping around: errno 1"

// pointed are the host's functions that read what a pointer and a length say, as calls with those two.
var pointed = map[string]func(ptr, length int32) []int32{
	abi.FuncLog:          func(p, n int32) []int32 { return []int32{2, p, n} },
	abi.FuncRespond:      func(p, n int32) []int32 { return []int32{p, n} },
	abi.FuncExecStart:    func(p, n int32) []int32 { return []int32{p, n} },
	abi.FuncExecRead:     func(p, n int32) []int32 { return []int32{1, p, n, 0} },
	abi.FuncExecWrite:    func(p, n int32) []int32 { return []int32{1, p, n} },
	abi.FuncExecWait:     func(p, n int32) []int32 { return []int32{1, p, n} },
	abi.FuncSessionInfo:  func(p, n int32) []int32 { return []int32{p, n} },
	abi.FuncLastError:    func(p, n int32) []int32 { return []int32{p, n} },
	abi.FuncChmod:        func(p, n int32) []int32 { return []int32{p, n, 0o600} },
	abi.FuncMode:         func(p, n int32) []int32 { return []int32{p, n} },
	abi.FuncCacheRestore: func(p, n int32) []int32 { return []int32{p, n} },
	abi.FuncCacheSave:    func(p, n int32) []int32 { return []int32{p, n} },
}

// pointless take no pointer.
var pointless = []string{abi.FuncCanceled, abi.FuncExecSignal, abi.FuncExecClose}

// TestPointedAtAll: no function of the host is missing from the tables.
func TestPointedAtAll(t *testing.T) {
	for _, f := range abi.Imports {
		if _, ok := pointed[f.Name]; ok == slices.Contains(pointless, f.Name) {
			t.Errorf("%s must be in one of the tables", f.Name)
		}
	}
}

func calls() []attack {
	return []attack{
		{"pointers out of bounds", "Every function of the host that takes a pointer gets one that lies beyond the memory of 64 KiB, reaches out of it, or has a length of 2³¹ or 2³²-1", byBounds,
			everyPointer([]reach{{page, 1}, {page - 1, 2}, {0, page + 1}, {0, -1 << 31}, {8, -1}, {1 << 30, 1 << 30}}, abi.Invalid)},
		{"pointers at 4 GiB", "The same with pairs that end at 4 GiB or wrap around: 2³²-1 and 1, 2³²-2 and 2, 2³²-4096 and 65536", byBounds,
			everyPointer([]reach{{-1, 1}, {-1, 2}, {-2, 2}, {-4096, 65536}, {-1, -1}}, abi.Invalid)},
		{"memory of 4 GiB", "Where `memory_bytes` allows it, takes all that 32 bits can address; logs its last byte, a byte more, and what would lie behind",
			"The last page below 4 GiB is never given, so that no end of a buffer wraps around to 0", runs(host.Options{MemoryBytes: 4 << 30}, fourGiB, "", func(t *testing.T, o outcome) {
				if want := []int64{-1, 0, -1, -1}; !slices.Equal(o.results[:4], want) {
					t.Errorf("the results are %d, want %d", o.results[:4], want)
				}
			})},
		{"overlapping buffers", "Has the host write over what it has just read: the text of an error over the path that it is about, a program's output over its own request, file data over the vectors and over the count that belong to it",
			"The host copies what it needs before it writes; a guest spoils its own memory and nobody's else", runs(host.Options{}, overlaps, "", func(t *testing.T, o outcome) {
				if o.results[0] != -1 || o.results[1] <= 0 {
					t.Errorf("mode and last_error returned %d", o.results[:2])
				}
			})},
		{"any numbers to the host", "Calls every function of the host 300 times with numbers that are at the edge of something", "Every call returns; what is wrong gets an errno", randomly(abiSignatures(), "")},
		{"any numbers to WASI", "Calls every function of WASI 300 times in the same way", "Every call returns; what is wrong gets an errno", randomly(wasiSignatures(), "")},
		{"handles that never were", "Reads, writes, waits for, signals and closes the handles 0, -1, 1, 7 and 2³¹-1", "Handles are an instance's own: errno 1", handles},
		{"stale handles", "Closes a program and goes on using its handle; closes it again; starts another", "A handle is never given twice: errno 1", runs(host.Options{ExitTimeout: time.Second}, stale, "", func(t *testing.T, o outcome) {
			want := []int64{1, 0, -1, -1, -1, -1, -1, 2}
			if !slices.Equal(o.results[:len(want)], want) {
				t.Errorf("the results are %d, want %d", o.results[:len(want)], want)
			}
		})},
		{"another session's handle", "One session starts a program; another of the same plugin, at the same time, reads, signals and closes the handle with that number", "Handles are an instance's own: errno 1", foreignHandle},
		{"33 programs at once", "Starts programs without closing any", "`open_programs`, which the error names", runs(host.Options{}, manyHandles, "", func(t *testing.T, o outcome) {
			if n := len(o.results); o.results[31] != 32 || o.results[32] != int64(abi.Limit.Result()) || n < 33 {
				t.Errorf("the results are %d", o.results[30:33])
			}
			if !bytes.Contains(o.out(), []byte("32 programs are open, which is the limit (setting open_programs)")) {
				t.Errorf("the error is %q", o.out()[:100])
			}
		})},
		{"all abuse by honest code", "The echo plugin calls every function of the host in ways that it must refuse", "Every call is refused with an errno", echoes("abuse", "")},
	}
}

type reach struct{ ptr, length int32 }

// everyPointer calls every function with each of the pairs. A program is running, so that its handle is none of what is wrong, and there
// was an error before, so that there is a text of it.
func everyPointer(pairs []reach, want abi.Errno) func(*testing.T, *arena) {
	return func(t *testing.T, a *arena) {
		for name, args := range pointed {
			m := newModule()
			m.start(engine("sh", "echo output"))
			m.with(abi.FuncMode, "/etc/passwd")
			tried := []reach{{}, {}}
			for _, r := range pairs {
				// What only writes does not look at the address where the result does not fit.
				writes := name == abi.FuncSessionInfo || name == abi.FuncLastError || name == abi.FuncExecWait
				if writes && r.length > 0 && r.length < 100 {
					continue
				}
				m.call(name, args(r.ptr, r.length)...)
				tried = append(tried, r)
			}
			runs(host.Options{}, m.report, "", func(t *testing.T, o outcome) {
				for i, r := range tried[2:] {
					if got := o.results[i+2]; got != int64(want.Result()) {
						t.Errorf("%s(%v) returned %d, want %d", name, r, got, want.Result())
					}
				}
			})(t, a)
		}
	}
}

// engine runs the engine, which does what the arguments say.
func engine(args ...string) *guestpb.ExecRequest {
	return &guestpb.ExecRequest{Program: "terraform", Args: args, Stdin: true}
}

func fourGiB() []byte {
	m := newModule()
	m.body = append(m.body, bytes.Join([][]byte{wt.I32Const(65534), wt.MemoryGrow, wt.Drop}, nil)...)
	m.keep("memory.grow", bytes.Join([][]byte{wt.I32Const(1), wt.MemoryGrow, extend}, nil))
	m.call(abi.FuncLog, 2, -page-1, 1)
	m.call(abi.FuncLog, 2, -page-1, 2)
	m.call(abi.FuncLog, 2, -1, 1)
	return m.report()
}

func overlaps() []byte {
	m := newModule()
	path, size := m.put("/etc/passwd" + strings.Repeat(" ", 200))
	m.call(abi.FuncMode, path, size)
	m.call(abi.FuncLastError, path, size) // over the path
	at := m.next
	m.start(engine("sh", "echo output"))
	m.call(abi.FuncExecRead, 1, at, 100, -1) // over its own request
	m.call(abi.FuncExecWait, 1, at, 100)
	m.call(abi.FuncSessionInfo, resultsAt+16, 4096) // over the results of these calls
	// A file is written from vectors that are each other's buffer, and read back over the vectors and the count.
	name, n := m.put("overlap")
	vectors, _ := m.put(strings.Repeat(string(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(m.next)), 64)), 8))
	m.wasiCall("path_open", 3, 0, int64(name), int64(n), 1, 1<<1|1<<2|1<<6, 0, 0, outAt)
	m.wasiCall("fd_write", 5, int64(vectors), 8, int64(vectors))
	m.wasiCall("fd_seek", 5, 0, 0, int64(vectors+4))
	m.wasiCall("fd_read", 5, int64(vectors), 8, int64(vectors+8))
	m.wasiCall("fd_pread", 5, int64(vectors), 8, 0, int64(vectors))
	// The last word: what is reported must be what the first calls returned.
	m.body = append(m.body, wt.I32Const(resultsAt)...)
	m.body = append(append(m.body, wt.I64Const(-1)...), wt.I64Store(0)...)
	m.body = append(m.body, wt.I32Const(resultsAt+8)...)
	m.body = append(append(m.body, wt.I64Const(1)...), wt.I64Store(0)...)
	return m.report()
}

// signature is a function and what it takes.
type signature struct {
	name   string
	params []api.ValueType
	index  func(*module) uint32
}

func abiSignatures() (list []signature) {
	for _, f := range abi.Imports {
		var params []api.ValueType
		for _, p := range f.Params {
			params = append(params, api.ValueType(p))
		}
		list = append(list, signature{f.Name, params, func(m *module) uint32 { return m.Index(f.Name) }})
	}
	return list
}

// wasiSignatures are all but what ends the guest. What closes the mounts comes last.
func wasiSignatures() (list []signature) {
	for name, f := range wasiFunctions() {
		if name != "proc_exit" {
			list = append(list, signature{name, f.ParamTypes(), func(m *module) uint32 { return m.wasiIndex(name) }})
		}
	}
	slices.SortFunc(list, func(a, b signature) int {
		// What sleeps comes first, while the memory has no times in it.
		rank := map[string]int{"poll_oneoff": -1, "fd_close": 1}
		return 2*(rank[a.name]-rank[b.name]) + strings.Compare(a.name, b.name)
	})
	return list
}

// edges are numbers at the edge of something, in a memory of 64 pages.
var edges = []uint64{0, 1, 2, 3, 4, 5, 7, 8, 64, 255, 4095, 4096, page - 1, page, 64*page - 1, 64 * page, 64*page + 1, 1<<31 - 1, 1 << 31, 1<<32 - 4096, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1}

// randomly answers, and then calls each of the functions 300 times.
func randomly(list []signature, want string) func(*testing.T, *arena) {
	const tableAt, rows = 2 * page, 300
	build := func() []byte {
		rng := rand.New(rand.NewPCG(1, 2))
		m := newModule()
		row, at := m.Global(0), int32(tableAt)
		answer, size := m.put("\x1a\x00") // an InitComplete
		m.body = append(m.Host(abi.FuncRespond, answer, size), wt.Drop...)
		for _, f := range list {
			f.index(m) // imports come before functions
		}
		for _, f := range list {
			width := 8 * len(f.params)
			var table []byte
			for i := range rows * len(f.params) {
				n := edges[rng.IntN(len(edges))]
				if f.name == "poll_oneoff" && i%4 == 2 && n > 64 && n < 1<<31 {
					n = 1 // as many as this would be found in the tables, and some would sleep for years
				}
				table = binary.LittleEndian.AppendUint64(table, n)
			}
			body := bytes.Join([][]byte{wt.I32Const(at), wt.GlobalSet(row)}, nil)
			var args []byte
			for i, p := range f.params {
				load := []byte{0x29, 3} // i64.load
				if p == api.ValueTypeI32 {
					load = []byte{0x28, 2}
				}
				args = append(append(append(args, wt.GlobalGet(row)...), load...), wt.Leb(uint32(8*i))...)
			}
			body = append(body, wt.Loop(args, wt.Call(f.index(m)), wt.Drop,
				wt.GlobalGet(row), wt.I32Const(int32(width)), wt.I32Add, wt.GlobalSet(row),
				wt.GlobalGet(row), wt.I32Const(at+int32(width*rows)), i32LtU, brIf(0))...)
			if width == 0 {
				body = append(wt.Call(f.index(m)), wt.Drop...)
			}
			m.body = append(m.body, body...)
			if len(table) > 0 {
				m.Data(at, table)
			}
			at += int32(len(table))
		}
		m.Define(abi.ExportABIVersion, nil, wt.I32Const(abi.Version))
		m.Define(abi.ExportAlloc, nil, wt.I32Const(wt.RequestAt))
		m.Define(abi.ExportHandle, nil, m.body, zero)
		m.Memory(wt.AtLeast(64))
		m.ExportMemory(abi.ExportMemory)
		return m.Bytes()
	}
	return runs(host.Options{}, build, want, nil)
}

func handles(t *testing.T, a *arena) {
	m := newModule()
	for _, h := range []int32{0, -1, 1, 7, 1<<31 - 1} {
		m.call(abi.FuncExecRead, h, outAt, 16, 0)
		m.call(abi.FuncExecWrite, h, outAt, 1)
		m.call(abi.FuncExecWrite, h, outAt, 0)
		m.call(abi.FuncExecWait, h, outAt, 16)
		m.call(abi.FuncExecSignal, h, abi.SignalKill)
		m.call(abi.FuncExecClose, h)
	}
	runs(host.Options{}, m.report, "", m.all(abi.Invalid))(t, a)
}

func stale() []byte {
	m := newModule()
	m.start(engine("sh", "echo output; cat"))
	m.call(abi.FuncExecClose, 1)
	m.call(abi.FuncExecRead, 1, outAt, 16, 0)
	m.call(abi.FuncExecWrite, 1, outAt, 1)
	m.call(abi.FuncExecWait, 1, outAt, 16)
	m.call(abi.FuncExecSignal, 1, abi.SignalKill)
	m.call(abi.FuncExecClose, 1)
	m.start(engine("sh", "true"))
	return m.report()
}

func manyHandles() []byte {
	m := newModule()
	b := m.request(engine("version"))
	for range 33 {
		m.call(abi.FuncExecStart, b.ptr, b.length)
	}
	m.call(abi.FuncLastError, outAt, 200)
	return m.report()
}

// foreignHandle: the plugin holds a program open if the request is long, and otherwise tries handle 1.
func foreignHandle(t *testing.T, a *arena) {
	m := newModule()
	hold := m.request(engine("sh", "echo begun; sleep 300 & wait"))
	own := bytes.Join([][]byte{
		m.Host(abi.FuncExecStart, hold.ptr, hold.length), wt.Drop,
		m.Host(abi.FuncExecRead, 1, outAt, 16, -1), wt.Drop, // up to the first output
		m.Host(abi.FuncLog, 2, outAt, 5), wt.Drop,
		m.Host(abi.FuncExecRead, 1, outAt, 16, -1), wt.Drop, // and on, to the cancel
		wt.I32Const(1), wt.Return,
	}, nil)
	m.body = bytes.Join([][]byte{wt.LocalGet(1), wt.I32Const(100), []byte{0x4b}, wt.If(own)}, nil) // i32.gt_u
	m.call(abi.FuncExecRead, 1, outAt, 16, 0)
	m.call(abi.FuncExecSignal, 1, abi.SignalKill)
	m.call(abi.FuncExecClose, 1)
	d, err := load(t, host.Options{ExitTimeout: time.Second}, server.Options{}, m.report())
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.open(inTime(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(initOf(make([]byte, 200))); err != nil {
		t.Fatal(err)
	}
	if resp, err := s.Recv(); err != nil || resp.GetLog().GetOutput() != "begun" {
		t.Fatalf("the first session: %v, %v", resp, err)
	}
	if got := d.init(t, initOf(nil)); got.text != "" {
		t.Errorf("the second session: %s", got.text)
	} else {
		m.all(abi.Invalid)(t, got)
	}
	if len(daemontest.ProcessesOf(d.data)) == 0 {
		t.Error("the first session's program is gone")
	}
	if err := s.Cancel(); err != nil {
		t.Error(err)
	}
	if resp, err := s.Recv(); err != nil || client.ErrorOf(resp) == "" {
		t.Errorf("the first session: %v, %v", resp, err)
	}
	s.Close()
	a.clean(t, d)
}

// request places an ExecRequest.
func (m *module) request(req *guestpb.ExecRequest) reach {
	ptr, length := m.put(string(marshal(req)))
	return reach{ptr, length}
}
