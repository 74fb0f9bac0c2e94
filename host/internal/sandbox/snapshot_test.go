package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/wasmtest"
)

// snapshots skips a test of what there is only with snapshots.
func snapshots(t *testing.T, r *Runtime) {
	t.Helper()
	if !r.snapshots {
		t.Skip(snapshotsVariable + " turns snapshots off")
	}
}

func compileSnapshot(t *testing.T, r *Runtime, wasm []byte) *Module {
	t.Helper()
	m, err := r.Compile(t.Context(), snapshotOf(wasm))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// answer makes an instance, asks it once and closes it.
func answer(t *testing.T, m *Module, request string) string {
	t.Helper()
	i, err := m.Instantiate(t.Context(), InstanceConfig{Name: "test", Work: newDirFS(t), Tmp: newDirFS(t), Host: &fakeHost{}})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(context.Background())
	response, err := i.Handle(t.Context(), []byte(request))
	if err != nil {
		t.Fatal(err)
	}
	return string(response)
}

// respondAt responds with what the memory holds there.
func respondAt(p *wasmtest.Plugin, at, n int32) []byte { return p.Host(abi.FuncRespond, at, n) }

// i64Load loads 8 bytes, v128Load and v128Store 16.
var (
	v128Load  = []byte{0xfd, 0x00, 4, 0}
	v128Store = []byte{0xfd, 0x0b, 4, 0}
	f32Store  = []byte{0x38, 2, 0}
	f64Store  = []byte{0x39, 3, 0}
)

// stateful is a plugin that changes all kinds of state while it initialises, and answers with them and with what is drawn anew.
func stateful() []byte {
	p := wasmtest.NewPlugin()
	at := wasmtest.I32Const
	zero16 := append([]byte{0xfd, 0x0c}, make([]byte, 16)...)
	a := p.TypedGlobal(wasmtest.I32, at(1))
	b := p.TypedGlobal(wasmtest.I64, wasmtest.I64Const(1))
	c := p.TypedGlobal(wasmtest.F32, []byte{0x43, 0, 0, 0, 0})
	d := p.TypedGlobal(wasmtest.F64, []byte{0x44, 0, 0, 0, 0, 0, 0, 0, 0})
	e := p.TypedGlobal(wasmtest.V128, zero16)
	e2 := p.TypedGlobal(wasmtest.V128, zero16)
	p.TypedGlobal(wasmtest.FuncRef, wasmtest.RefNull)
	p.Data(4096, []byte("0123456789abcdef"))
	segment := p.PassiveData([]byte("passive"))
	set := wasmtest.GlobalSet
	p.Define(abi.ExportInitialize, nil,
		at(-7), set(a), wasmtest.I64Const(1<<40), set(b), []byte{0x43, 1, 2, 3, 4}, set(c), []byte{0x44, 1, 2, 3, 4, 5, 6, 7, 8}, set(d),
		at(4096), v128Load, set(e), at(4100), v128Load, set(e2),
		// The memory grows, and its last byte is written.
		at(3), wasmtest.MemoryGrow, wasmtest.Drop,
		at(4<<16-4), at(0x6c617374), wasmtest.I32Store(0),
		p.Host("random_get", 4096, 8), wasmtest.Drop,
	)
	get := wasmtest.GlobalGet
	return p.Handled(
		at(512), get(a), wasmtest.I32Store(0), at(516), get(b), wasmtest.I64Store(0), at(524), get(c), f32Store, at(528), get(d), f64Store,
		at(536), get(e), v128Store, at(552), get(e2), v128Store,
		at(568), at(4<<16-4), wasmtest.I32Load(0), wasmtest.I32Store(0),
		at(572), at(0), at(7), wasmtest.MemoryInit(segment),
		at(579), wasmtest.MemorySize, wasmtest.I32Store(0),
		at(583), at(4096), []byte{0x29, 3, 0}, wasmtest.I64Store(0), // what was drawn while it initialised
		// All of that is overwritten afterwards: no other instance may see it.
		respondAt(p, 512, 79), wasmtest.Drop,
		at(0), set(a), wasmtest.I64Const(0), set(b), at(0), v128Load, set(e), at(0), v128Load, set(e2),
		at(1), wasmtest.MemoryGrow, wasmtest.Drop, wasmtest.DataDrop(segment),
		at(0), at(0xee), at(5<<16), wasmtest.MemoryFill,
		at(0),
	)
}

func TestSnapshotKeepsTheState(t *testing.T) {
	module := stateful()
	var plain, drawn string
	for _, copying := range []bool{false, true} {
		var log bytes.Buffer
		r := newRuntime(t, Options{NoSnapshots: !copying, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if copying {
			snapshots(t, r)
		}
		m := compileSnapshot(t, r, module)
		for n := range 3 {
			got := answer(t, m, "x")
			state, random := got[:71], got[71:]
			switch {
			case plain == "":
				plain = state
				if !strings.HasPrefix(state, "\xf9\xff\xff\xff") || !strings.Contains(state, "0123456789abcdef456789abcdef") || !strings.Contains(state, "tsalpassive\x04") {
					t.Fatalf("the state is %q", state)
				}
			case state != plain:
				t.Errorf("copying %t, instance %d: the state is\n%q, not\n%q", copying, n, state, plain)
			}
			if n > 0 && (random == drawn) != copying {
				t.Errorf("copying %t: what was drawn while initialising is %x and then %x", copying, drawn, random)
			}
			drawn = random
		}
		if log.Len() > 0 {
			t.Errorf("the log has %s", &log)
		}
	}
}

// Instances of one snapshot that run at once, grow, and overwrite all that they have.
func TestCopiesAreApart(t *testing.T) {
	m := compileSnapshot(t, newRuntime(t, Options{}), stateful())
	want := answer(t, m, "x")[:71]
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for range 25 {
				if got := answer(t, m, "x"); got[:71] != want {
					t.Errorf("got  %q\nwant %q", got[:71], want)
				}
			}
		})
	}
	running.Wait()
}

// What can't be copied is initialised each time, and the log says why.
func TestWhatIsNotCopied(t *testing.T) {
	type plugin = wasmtest.Plugin
	at := wasmtest.I32Const
	drop := wasmtest.Drop
	for name, test := range map[string]struct {
		initialize func(p *plugin) []byte
		// handle leaves a number, which must be 42.
		handle func(p *plugin) []byte
		reason string
	}{
		"a call of the host": {
			func(p *plugin) []byte { return append(p.Host(abi.FuncCanceled), drop...) },
			nil, "it calls provisor_v1.canceled while it initialises",
		},
		"an opened file": {
			func(p *plugin) []byte {
				return slices.Concat(at(3), at(0), at(0), at(0), at(0), wasmtest.I64Const(0), wasmtest.I64Const(0), at(0), at(64), wasmtest.Call(p.Index("path_open")), drop)
			},
			nil, "it calls wasi_snapshot_preview1.path_open while it initialises",
		},
		"a closed standard stream": {
			func(p *plugin) []byte { return append(p.Host("fd_close", 0), drop...) },
			nil, "it calls wasi_snapshot_preview1.fd_close while it initialises",
		},
		"a table": {
			func(p *plugin) []byte {
				return slices.Concat(at(1), wasmtest.RefFunc(p.Index("answer")), wasmtest.TableSet(0))
			},
			func(p *plugin) []byte {
				return slices.Concat(at(1), wasmtest.CallIndirect(p.Index("type of answer"), 0))
			},
			"it changes tables or references, or drops segments, while it initialises",
		},
		"a table that grew": {
			func(p *plugin) []byte {
				return slices.Concat(wasmtest.RefFunc(p.Index("answer")), at(5), wasmtest.TableGrow(0), drop)
			},
			func(p *plugin) []byte {
				return slices.Concat(at(7), wasmtest.CallIndirect(p.Index("type of answer"), 0))
			},
			"it changes tables or references, or drops segments, while it initialises",
		},
		"a reference in a global": {
			func(p *plugin) []byte {
				return slices.Concat(wasmtest.RefFunc(p.Index("answer")), wasmtest.GlobalSet(p.Index("reference")))
			},
			func(p *plugin) []byte {
				return slices.Concat(at(0), wasmtest.GlobalGet(p.Index("reference")), wasmtest.TableSet(0), at(0), wasmtest.CallIndirect(p.Index("type of answer"), 0))
			},
			"it changes tables or references, or drops segments, while it initialises",
		},
		"a dropped segment": {
			func(p *plugin) []byte { return wasmtest.DataDrop(p.Index("segment")) },
			nil, "it changes tables or references, or drops segments, while it initialises",
		},
		"an end": {
			func(p *plugin) []byte { return p.Host("proc_exit", 3) },
			nil, "it does not initialise: exited with code 3",
		},
		"no end": {
			func(p *plugin) []byte { return wasmtest.Loop(wasmtest.Br(0)) },
			nil, "it does not initialise: interrupted: it takes longer than 100ms",
		},
		"more memory than there is": {
			func(p *plugin) []byte { return slices.Concat(at(60000), wasmtest.MemoryGrow, drop) },
			nil, "it wants more memory than it may have while it initialises",
		},
		"a full memory": {
			func(p *plugin) []byte {
				return slices.Concat(at(2000), wasmtest.MemoryGrow, drop, at(0), at(1), at(2000<<16), wasmtest.MemoryFill)
			},
			nil, "its memory holds 125 MiB once it is initialised, more than 64 MiB",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := wasmtest.NewPlugin()
			answer := p.Func(nil, []wasmtest.Type{wasmtest.I32}, nil, at(42))
			p.Name("answer", answer)
			p.Name("type of answer", p.TypeOf(nil, []wasmtest.Type{wasmtest.I32}))
			p.Name("reference", p.TypedGlobal(wasmtest.FuncRef, wasmtest.RefNull))
			p.Name("segment", p.PassiveData([]byte("passive")))
			p.Table(wasmtest.Between(4, 20))
			p.Elements(3, answer)
			p.Define(abi.ExportInitialize, nil, test.initialize(p))
			number := at(42)
			if test.handle != nil {
				number = test.handle(p)
			}
			module := p.Handled(at(64), number, wasmtest.I32Store(0), respondAt(p, 64, 4))

			var log bytes.Buffer
			r := newRuntime(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			snapshots(t, r)
			r.snapshotTime = time.Minute
			if name == "no end" {
				r.snapshotTime = 100 * time.Millisecond
			}
			m := compileSnapshot(t, r, module)
			if m.origin.snapshot || !strings.Contains(log.String(), "can't be copied") || !strings.Contains(log.String(), test.reason) {
				t.Errorf("copied: %t, the log has %s", m.origin.snapshot, &log)
			}
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				if name == "no end" {
					ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
				}
				defer cancel()
				i, err := m.Instantiate(ctx, InstanceConfig{Name: "test", Work: newDirFS(t), Tmp: newDirFS(t), Host: &fakeHost{}})
				var f *Failure
				if kind := map[string]Kind{"an end": Exit, "no end": Deadline}[name]; kind != 0 {
					if !errors.As(err, &f) || f.Kind != kind {
						t.Errorf("got %v", err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				defer i.Close(context.Background())
				if got, err := i.Handle(t.Context(), nil); err != nil || binary.LittleEndian.Uint32(got) != 42 {
					t.Errorf("got %v, %v", got, err)
				}
			}
		})
	}
}

// Each copy is given other random bytes, and draws others.
func TestCopiesGetSeeds(t *testing.T) {
	p := wasmtest.NewPlugin()
	p.Define(abi.ExportInitialize, nil)
	p.Define(abi.ExportForked, nil, wasmtest.I32Const(512), wasmtest.LocalGet(0), wasmtest.I32Const(32), []byte{0xfc, 0x0a, 0, 0}) // memory.copy
	module := p.Handled(p.Host("random_get", 544, 32), wasmtest.Drop, respondAt(p, 512, 64))
	r := newRuntime(t, Options{})
	snapshots(t, r)
	m := compileSnapshot(t, r, module)
	first, second := answer(t, m, ""), answer(t, m, "")
	none := strings.Repeat("\x00", 32)
	if first[:32] == second[:32] || first[:32] == none || first[32:] == second[32:] {
		t.Errorf("seeds and random bytes are %x and %x", first, second)
	}
}

// A snapshot outlives the process, and whatever its monotonic clock was: it goes on from there.
func TestSnapshotIsKept(t *testing.T) {
	p := wasmtest.NewPlugin()
	now := slices.Concat(wasmtest.I32Const(1), wasmtest.I64Const(0))
	clock := wasmtest.Call(p.Index("clock_time_get"))
	p.Define(abi.ExportInitialize, nil, p.Host("random_get", 512, 8), wasmtest.Drop, now, wasmtest.I32Const(520), clock, wasmtest.Drop)
	module := p.Handled(now, wasmtest.I32Const(528), clock, wasmtest.Drop, respondAt(p, 512, 24))
	dir := t.TempDir()
	var first string
	for n := range 3 {
		r := newRuntime(t, Options{CacheDir: dir})
		snapshots(t, r)
		if n == 2 {
			r.born = r.born.Add(-1 << 50) // as if the system's clock were set back by weeks
		}
		got := answer(t, compileSnapshot(t, r, module), "")
		before, after := binary.LittleEndian.Uint64([]byte(got[8:])), binary.LittleEndian.Uint64([]byte(got[16:]))
		if before >= after {
			t.Errorf("process %d: the clock went from %d to %d", n, before, after)
		}
		if n > 0 && got[:16] != first {
			t.Errorf("process %d initialised it again", n)
		}
		first = got[:16]
	}
}

// Two processes that make a snapshot at once both get one that holds.
func TestSnapshotsAtOnce(t *testing.T) {
	dir, module := t.TempDir(), stateful()
	var starting sync.WaitGroup
	for range 4 {
		r := newRuntime(t, Options{CacheDir: dir})
		snapshots(t, r)
		starting.Go(func() {
			for range 5 {
				m, err := r.Compile(t.Context(), snapshotOf(module))
				if err != nil {
					t.Error(err)
					return
				}
				if got := answer(t, m, ""); len(got) != 79 {
					t.Errorf("got %q", got)
				}
			}
		})
	}
	starting.Wait()
}

// Where the system has nothing better the memory is copied.
func TestImageWithoutAFile(t *testing.T) {
	pieces := []piece{{3, []byte("abc")}, {5, []byte("xyz")}, {wasmPage - 1, []byte("!")}}
	for name, g := range map[string]*image{"file": newImage(wasmPage, pieces), "pieces": {size: wasmPage, pieces: pieces}} {
		memory, err := newMemory(2*wasmPage, g)
		if err != nil {
			t.Fatal(err)
		}
		got := memory.Reallocate(2 * wasmPage)
		if !bytes.HasPrefix(got, []byte("\x00\x00\x00abxyz\x00")) || got[wasmPage-1] != '!' || !bytes.Equal(got[wasmPage:], make([]byte, wasmPage)) {
			t.Errorf("%s: the memory begins with %q", name, got[:16])
		}
		memory.Free()
		if g.file != nil {
			if _, err := g.file.WriteAt([]byte("x"), 0); err == nil {
				t.Errorf("%s: it can be written to", name)
			}
		}
		g.close()
	}
	if _, err := newMemory(wasmPage, newImage(2*wasmPage, nil)); err == nil {
		t.Error("a memory larger than the limit")
	}
}

// A file that is not what it was is refused, however it is made.
func FuzzOrigin(f *testing.F) {
	o := &origin{globals: []global{{Name: "provisor_state.0", Low: 1}}, snapshot: true, clock: 5}
	for _, pieces := range [][]piece{nil, {{0, []byte("abc")}}, {{5, []byte("abc")}, {wasmPage - 1, []byte("x")}}} {
		parts, err := o.encode(wasmPage, pieces)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(slices.Concat(parts[2:]...), true)
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, true)
	f.Fuzz(func(t *testing.T, content []byte, sealed bool) {
		b := append([]byte(originMagic), content...)
		if sealed {
			digest := sha256.Sum256(content)
			b = slices.Concat([]byte(originMagic), digest[:], content)
		}
		_, size, pieces, err := decodeOrigin(b)
		if err != nil {
			return
		}
		for _, p := range pieces {
			if p.end() > size {
				t.Errorf("a piece up to %d of %d", p.end(), size)
			}
		}
	})
}
