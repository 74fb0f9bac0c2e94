package attack

import (
	"bytes"
	"testing"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/server"
	wt "github.com/provisor/provisor/host/internal/wasmtest"
)

const page = 64 << 10

// in16MiB are the options of runtimes whose instances have little memory.
func in16MiB() host.Options { return host.Options{MemoryBytes: 16 << 20} }

func memories() []attack {
	return []attack{
		{"all of the memory", "Grows the memory page by page until there is no more, and writes to each page",
			"`memory_bytes`: `memory.grow` returns -1 beyond it", runs(in16MiB(), toTheLimit, "", func(t *testing.T, o outcome) {
				if o.results[0] != 16<<20/page {
					t.Errorf("it has %d pages, want %d", o.results[0], 16<<20/page)
				}
			})},
		{"past the memory", "Asks for 1 GiB in one go, and traps when it does not get it", "`memory_bytes`, which the error names", runs(in16MiB(), handling(
			wt.I32Const(1<<30/page), wt.MemoryGrow, wt.Drop, wt.Unreachable,
		), "out of memory: it wanted 1024 MiB, the limit is 16 MiB (setting memory_bytes)", nil)},
		{"memory by honest code", "The echo plugin, written in Go, takes memory until there is none", "`memory_bytes`, which the error names", echoes("exhaust", "the limit is 256 MiB (setting memory_bytes)")},
		{"4 GiB from the start", "The module says that it needs 65,536 pages at least", "`memory_bytes`: refused when it is loaded", refused(func() []byte {
			return ofPages(65536)
		}, "it needs 4096 MiB of memory at least, the limit is 256 MiB (setting memory_bytes)")},
		{"more than 4 GiB", "The module says that it needs 65,537 pages", "Refused when it is loaded", refused(func() []byte { return ofPages(65537) }, "")},
		{"tables without end", "Grows a table, which is no memory, by 2³²-1 entries and then again and again by 10,000",
			"Tables get a maximum when the module is loaded: `table.grow` returns -1", runs(inBrief(), func() []byte {
				p := wt.NewPlugin()
				p.Table(wt.AtLeast(1))
				return p.Handled(wt.RefNull, wt.I32Const(-1), wt.TableGrow(0), wt.Drop, forever(wt.RefNull, wt.I32Const(10_000), wt.TableGrow(0), wt.Drop), zero)
			}, ranTooLong, nil)},
		{"a request without room", "`provisor_alloc` returns 0", "The request is not handed over; the error names `memory_bytes`",
			runs(host.Options{}, export(abi.ExportAlloc, zero), "it has no room for a request", nil)},
		{"a request at the end of memory", "`provisor_alloc` returns the last byte of the memory",
			"Bounds are checked before the host writes", runs(host.Options{}, export(abi.ExportAlloc, wt.I32Const(page-1)), "which is not inside its memory of 65536 bytes", nil)},
		{"a request at 4 GiB", "`provisor_alloc` returns 2³²-1, so that the end wraps around", "Bounds are checked before the host writes",
			runs(host.Options{}, export(abi.ExportAlloc, wt.I32Const(-1)), "which is not inside its memory of 65536 bytes", nil)},
		{"a request larger than the memory", "A client sends 20 MiB to a plugin with 16 MiB", "`memory_bytes`, which the error names", func(t *testing.T, a *arena) {
			d, err := load(t, in16MiB(), server.Options{}, handling()())
			if err != nil {
				t.Fatal(err)
			}
			if got := d.init(t, initOf(make([]byte, 20<<20))).text; !bytes.Contains([]byte(got), []byte("an instance's memory is limited to 16 MiB (setting memory_bytes)")) {
				t.Errorf("the Complete says %q", got)
			}
			a.clean(t, d)
		}},
		{"what others left in memory", "Looks through 4 MiB of new memory for anything but zeros, then fills it for the next session to find", "Each instance has a memory of its own, which the system gives zeroed",
			func(t *testing.T, a *arena) {
				d, err := load(t, host.Options{}, server.Options{}, scavenger())
				if err != nil {
					t.Fatal(err)
				}
				for range 3 {
					if got := d.init(t, initOf(nil)); got.text != "" || got.results[0] != 0 {
						t.Errorf("it found something: %v %s", got.results, got.text)
					}
				}
				a.clean(t, d)
			}},
		{"what others left in a snapshot", "Overwrites all memory and every global that it shares with later sessions since it was initialised, grows, and looks for that in the next one",
			"Each instance has a private copy of the snapshot's memory and globals, made page by page as it writes", func(t *testing.T, a *arena) {
				d, err := load(t, host.Options{}, server.Options{}, sharer())
				if err != nil {
					t.Fatal(err)
				}
				for range 3 {
					if got := d.init(t, initOf(nil)); got.text != "" || got.results[0] != 0 || got.results[1] != 7 || got.results[2] != 1+more/page {
						t.Errorf("it found something, or lost what it had: %v %s", got.results, got.text)
					}
				}
				a.clean(t, d)
			}},
		{"calls of the host while a snapshot is made", "Asks for the session, logs and looks at `/work` in `_initialize`, for what it learns to be in the memory of all sessions",
			"A plugin is initialised for the snapshot in no session, with empty directories; if it calls the host or opens a file there is no snapshot", func(t *testing.T, a *arena) {
				d, err := load(t, host.Options{}, server.Options{}, eavesdropper())
				if err != nil {
					t.Fatal(err)
				}
				seen := map[int64]bool{}
				for range 3 {
					got := d.init(t, initOf(nil))
					if seen[got.results[0]] || got.text != "" {
						t.Errorf("two sessions share what was drawn while initialising: %v %s", got.results, got.text)
					}
					seen[got.results[0]] = true
				}
				a.clean(t, d)
			}},
	}
}

// ofPages is a plugin that needs as much memory.
func ofPages(least uint32) []byte {
	p := wt.NewPlugin()
	p.Define(abi.ExportABIVersion, nil, wt.I32Const(abi.Version))
	p.Define(abi.ExportAlloc, nil, wt.I32Const(wt.RequestAt))
	p.Define(abi.ExportHandle, nil, zero)
	p.Memory(wt.AtLeast(least))
	p.ExportMemory(abi.ExportMemory)
	return p.Bytes()
}

var (
	memorySize = []byte{0x3f, 0}
	brIf       = func(depth uint32) []byte { return append([]byte{0x0d}, wt.Leb(depth)...) }
	i32Or      = []byte{0x72}
	i32Xor     = []byte{0x73}
	i32Shl     = []byte{0x74}
	i32LtU     = []byte{0x49}
	extendU    = []byte{0xad} // i64.extend_i32_u
)

// toTheLimit reports how many pages it has got.
func toTheLimit() []byte {
	m := newModule()
	// while memory.grow(1) != -1 { last page's first word = 1 }
	m.body = append(m.body, wt.Loop(wt.I32Const(1), wt.MemoryGrow, wt.I32Const(1), wt.I32Add,
		wt.If(memorySize, wt.I32Const(1), wt.I32Sub, wt.I32Const(16), i32Shl, wt.I32Const(1), wt.I32Store(0), wt.Br(1)))...)
	m.keep("memory.size", append(memorySize, extendU...))
	return m.report()
}

// more is by how much some plugins grow their memory.
const more = 4 << 20

// sharer fills a part of its memory while it initialises, and reports what has changed of that since, a global, and the memory's size.
func sharer() []byte {
	m := newModule()
	found, at, mark := m.Global(0), m.Global(page), m.Global(0)
	m.Define(abi.ExportInitialize, nil,
		wt.I32Const(more/page), wt.MemoryGrow, wt.Drop, wt.I32Const(page), wt.I32Const(0x55), wt.I32Const(more), wt.MemoryFill,
		wt.I32Const(7), wt.GlobalSet(mark))
	m.keep("found", bytes.Join([][]byte{
		wt.Loop(
			wt.GlobalGet(found), wt.GlobalGet(at), wt.I32Load(0), wt.I32Const(0x55555555), i32Xor, i32Or, wt.GlobalSet(found),
			wt.GlobalGet(at), wt.I32Const(4), wt.I32Add, wt.GlobalSet(at),
			wt.GlobalGet(at), wt.I32Const(page+more), i32LtU, brIf(0)),
		wt.GlobalGet(found), extendU,
	}, nil))
	m.keep("global", append(wt.GlobalGet(mark), extendU...))
	m.keep("size", append(memorySize, extendU...))
	m.body = append(m.body, bytes.Join([][]byte{
		wt.I32Const(page), wt.I32Const(0xee), wt.I32Const(more), wt.MemoryFill, wt.I32Const(0), wt.GlobalSet(mark),
		wt.I32Const(1), wt.MemoryGrow, wt.Drop,
	}, nil)...)
	return m.report()
}

// eavesdropper draws a number while it initialises, and calls the host, which is what keeps it from being the same in all sessions.
func eavesdropper() []byte {
	m := newModule()
	drawn := m.TypedGlobal(wt.I64, wt.I64Const(0))
	m.Define(abi.ExportInitialize, nil,
		m.Host("random_get", outAt, 8), wt.Drop, wt.I32Const(outAt), []byte{0x29, 3, 0}, wt.GlobalSet(drawn),
		m.Host(abi.FuncSessionInfo, outAt, 1024), wt.Drop, m.Host(abi.FuncLog, 2, outAt, 0), wt.Drop,
		m.Host(abi.FuncMode, outAt, 0), wt.Drop)
	m.keep("drawn", wt.GlobalGet(drawn))
	return m.report()
}

// scavenger reports the bits that are set in the memory that it grows by.
func scavenger() []byte {
	m := newModule()
	found, at := m.Global(0), m.Global(page)
	m.body = append(m.body, bytes.Join([][]byte{
		wt.I32Const(more / page), wt.MemoryGrow, wt.Drop,
		wt.Loop(
			wt.GlobalGet(found), wt.GlobalGet(at), wt.I32Load(0), i32Or, wt.GlobalSet(found),
			wt.GlobalGet(at), wt.I32Const(4), wt.I32Add, wt.GlobalSet(at),
			wt.GlobalGet(at), wt.I32Const(page+more), i32LtU, brIf(0)),
		wt.I32Const(page), wt.I32Const(0x55), wt.I32Const(more), wt.MemoryFill,
	}, nil)...)
	m.keep("found", append(wt.GlobalGet(found), extendU...))
	return m.report()
}
