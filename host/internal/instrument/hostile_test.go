package instrument_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

// The bounds are generous: the tests may run beside others, with the race detector on.
const (
	deadline = 50 * time.Millisecond
	lateness = 20 * time.Second
)

// hostileModules never end by themselves, each in another way. f0 is called.
func hostileModules() map[string]assembly {
	forever := loop(br(0))
	memory := func(body []byte) assembly {
		return assembly{pages: 1024, funcs: []function{{body: body}}} // 64 MiB
	}
	table := func(body []byte) assembly {
		return assembly{tables: [][]byte{join([]byte{funcref, 1}, uleb(1<<20), uleb(1<<20))}, funcs: []function{{body: body}},
			elements: [][]byte{{3, 0, 1, 0}}}
	}
	one := func(body ...[]byte) assembly {
		return assembly{funcs: []function{{locals: []byte{1, i32}, body: join(body...)}}}
	}
	null := []byte{0xd0, funcref}
	divide := join(constI64(1<<62), repeat(2000, join(constI64(3), []byte{0x7f})), []byte{0x1a})
	megabytes := 7
	if raceDetector {
		megabytes = 1
	}
	seven := repeat(megabytes<<20/len(countUp), countUp)
	return map[string]assembly{
		"an empty loop":              one(forever),
		"a conditional loop":         one(loop(constI32(1), brIf(0))),
		"a loop through a table":     one(loop(constI32(5), []byte{0x0e, 2, 0, 0, 0})),
		"a loop in a loop":           one(loop(loop(constI32(0), brIf(0)), br(0))),
		"a loop out of a block":      one(loop(block(block(br(2))))),
		"a return that is not taken": one(loop(constI32(0), ifThen([]byte{0x0f}), br(0))),
		// The charges of straight-line code all in arms that are never taken.
		"a loop around untaken arms": one(loop(repeat(50, ifNot(repeat(1200, countUp))), br(0))),
		"a dispatch that goes back":  dispatching(),
		"a start function":           {start: 1, funcs: []function{{body: forever}}},
		"recursion":                  {funcs: []function{{body: join(callFunc(0), callFunc(0))}}},
		"recursion of a wide tree":   tree(),
		// A segment before each call, and the charge for it behind the call.
		"recursion that never returns": {funcs: []function{{locals: []byte{1, i32}, body: join(repeat(490, countUp), callFunc(0), repeat(10, countUp), callFunc(0))}}},
		"indirect recursion": {tables: [][]byte{{funcref, 0, 1}}, elements: [][]byte{join([]byte{0}, constI32(0), []byte{0x0b, 1, 0})},
			funcs: []function{{body: loop(constI32(0), []byte{0x11, 0, 0}, br(0))}}},
		"7 MB of straight-line code": {funcs: []function{{body: loop(callFunc(1), br(0))}, {locals: []byte{1, i32}, body: seven}}},
		"divisions":                  {funcs: []function{{body: loop(repeat(10, divide), br(0))}}},
		"calls of a small function":  {funcs: []function{{body: loop(repeat(100, callFunc(1)), br(0))}, {body: nil}}},
		"memory.fill":                memory(loop(constI32(0), constI32(7), constI32(1024<<16), misc(11, 0), br(0))),
		"memory.copy":                memory(loop(constI32(0), constI32(1), constI32(1024<<16-1), misc(10, 0, 0), br(0))),
		"memory.grow by nothing":     memory(loop(constI32(0), []byte{0x40, 0, 0x1a}, br(0))),
		"memory.grow by all":         memory(loop(constI32(-1), []byte{0x40, 0, 0x1a}, br(0))),
		"table.fill":                 table(loop(constI32(0), null, constI32(1<<20), misc(17, 0), br(0))),
		"table.copy":                 table(loop(constI32(0), constI32(1), constI32(1<<20-1), misc(14, 0, 0), br(0))),
		"table.grow":                 table(loop(null, constI32(-1), misc(15, 0), []byte{0x1a}, br(0))),
		"loads that miss the cache":  missing(),
	}
}

var countUp = join(localGet(0), constI32(1), []byte{0x6a}, localSet(0))

func ifNot(body []byte) []byte { return join(constI32(0), ifThen(body)) }

// dispatching is Go's way to jump, back to a block that is closed.
func dispatching() assembly {
	body := join([]byte{0x03, 0x40, 0x02, 0x40, 0x02, 0x40}, localGet(0), []byte{0x0e, 1, 0, 1},
		[]byte{0x0b}, countUp, constI32(1), localSet(0), br(1), // ahead, to the end of the outer block
		[]byte{0x0b}, constI32(0), localSet(0), br(0), // and back
		[]byte{0x0b})
	return assembly{funcs: []function{{locals: []byte{1, i32}, body: body}}}
}

// tree calls itself twice, to a depth of 60.
func tree() assembly {
	recurse := join(localGet(0), constI32(1), []byte{0x6b}, callFunc(1))
	return assembly{types: [][]byte{{0x60, 1, i32, 0}}, funcs: []function{
		{body: join(constI32(60), callFunc(1))},
		{typ: 2, body: join(localGet(0), ifThen(recurse, recurse))},
	}}
}

// missing chases a pseudo-random pointer through 64 MiB.
func missing() assembly {
	step := join(localGet(0), constI32(1664525), []byte{0x6c}, constI32(1013904223), []byte{0x6a}, localSet(0),
		localGet(0), constI32(6), []byte{0x76}, []byte{0x28, 0, 0}, localGet(0), []byte{0x6a}, localSet(0))
	return assembly{pages: 1024, funcs: []function{{locals: []byte{1, i32}, body: join(constI32(0), constI32(1), constI32(1024<<16),
		misc(11, 0), loop(step, br(0)))}}}
}

// TestHostile ends each of them soon after the deadline, while the garbage collector runs.
func TestHostile(t *testing.T) {
	for name, a := range hostileModules() {
		t.Run(name, func(t *testing.T) {
			module := instrumented(t, a.encode())
			h := newHost(t, wazero.NewRuntimeConfig())
			compiled, err := h.runtime.CompileModule(h.ctx, module)
			must(t, err)
			stop := collectGarbage()
			defer stop()
			began := time.Now()
			h.onYield = func() {
				if time.Since(began) > deadline {
					panic("the deadline is over")
				}
			}
			err = runHostile(h, compiled)
			took := time.Since(began)
			switch {
			case err == nil:
				t.Error("it ended by itself")
			case strings.Contains(err.Error(), "stack overflow") && strings.Contains(name, "recursion"):
			case !strings.Contains(err.Error(), "the deadline is over"):
				t.Error(err)
			}
			if took > deadline+lateness {
				t.Errorf("it ended %v after the deadline", took-deadline)
			}
			t.Logf("late by %v, %d yields", took-deadline, h.yields)
		})
	}
}

func runHostile(h *host, compiled wazero.CompiledModule) error {
	mod, err := h.runtime.InstantiateModule(h.ctx, compiled, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return fmt.Errorf("instantiate: %w", err)
	}
	_, err = mod.ExportedFunction("f0").Call(h.ctx)
	return err
}

// collectGarbage goes on until stop is called, which waits for it.
func collectGarbage() (stop func()) {
	done := make(chan struct{})
	var collecting sync.WaitGroup
	collecting.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				runtime.GC()
				time.Sleep(time.Millisecond)
			}
		}
	})
	return func() {
		close(done)
		collecting.Wait()
	}
}
