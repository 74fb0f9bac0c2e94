package attack

import (
	"bytes"
	"slices"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host"
	wt "github.com/provisor/provisor/host/internal/wasmtest"
)

const (
	byFuel     = "Fuel: loops and functions of the rewritten module give way to the host, which ends it at `request_timeout`"
	byLength   = byFuel + "; bulk operations are charged by length"
	briefly    = 300 * time.Millisecond
	ranTooLong = "ran longer than 300ms (setting request_timeout)"
	// atEase is the time of requests that have to come to something before it is over, however busy the machine is.
	atEase = 5 * time.Second
)

// inBrief are the options of runtimes whose requests have little time.
func inBrief() host.Options {
	return host.Options{RequestTimeout: briefly, GracePeriod: briefly}
}

var zero = wt.I32Const(0)

func forever(body ...[]byte) []byte { return wt.Loop(append(body, wt.Br(0))...) }

// An endless plugin does not end by itself.
type endless struct {
	name, tries, contains string
	build                 func() []byte
}

func endlessPlugins() []endless {
	return []endless{
		{"loop", "`provisor_handle` loops without a call", byFuel, handling(forever())},
		{"loop through a table", "A loop whose way back is one of a `br_table`", byFuel, handling(wt.Loop(wt.I32Const(5), []byte{0x0e, 2, 0, 0, 0}))},
		{"recursion without loops", "A function calls itself twice, to a depth of 60: 2⁶⁰ calls and no loop", byFuel, recursion},
		{"calls without loops", "30 functions, each of which calls the next 1,000 times in a row: no loop, no recursion", byFuel, cascade},
		{"straight-line code", "A body of 1 MB without a branch, in a loop: what is counted at loops' heads comes once in a million instructions",
			byFuel + "; long code is charged by size", straight},
		{"memory.fill", "A loop that fills 64 MiB at once", byLength,
			bulk(zero, wt.I32Const(7), wt.I32Const(64<<20), wt.MemoryFill)},
		{"memory.copy", "A loop that copies 64 MiB at once", byLength,
			bulk(zero, wt.I32Const(1), wt.I32Const(64<<20-1), []byte{0xfc, 0x0a, 0, 0})},
		{"memory.grow by nothing", "A loop that grows the memory by 0 pages", byFuel, handling(forever(zero, wt.MemoryGrow, wt.Drop))},
		{"loop in _initialize", "The loop runs before the first request", byFuel, export(abi.ExportInitialize, forever())},
		{"loop in provisor_abi_version", "The loop runs where the host asks for the version", byFuel, export(abi.ExportABIVersion, forever(), zero)},
		{"loop in provisor_alloc", "The loop runs where the host wants room for the request", byFuel, export(abi.ExportAlloc, forever(), zero)},
		{"loop of host calls", "A loop that asks whether it is canceled, and ignores the answer", byFuel, looped(func(p *wt.Plugin) []byte {
			return append(p.Host(abi.FuncCanceled), wt.Drop...)
		})},
		{"loop of randomness", "A loop that has the host draw 32 MiB of random bytes at once", byFuel + "; a call of the host is short", func() []byte {
			p := wt.NewPlugin()
			return p.Handled(wt.I32Const(1024), wt.MemoryGrow, wt.Drop, forever(p.Host("random_get", 0, 32<<20), wt.Drop), zero)
		}},
		{"sleep", "`poll_oneoff` until the end of time", "A sleep ends with the request", func() []byte {
			p := wt.NewPlugin()
			at := int32(1024)
			subscription := make([]byte, 48) // of the clock 0, and its time
			for i := range 7 {
				subscription[24+i] = 0xff
			}
			p.Data(at, subscription)
			return p.Handled(forever(p.Host("poll_oneoff", at, at+64, 1, at+128), wt.Drop), zero)
		}},
	}
}

func loops() []attack {
	var attacks []attack
	for _, e := range endlessPlugins() {
		attacks = append(attacks, attack{e.name, e.tries, e.contains, runs(inBrief(), e.build, ranTooLong, nil)})
	}
	return append(attacks, []attack{
		{"endless recursion", "A function calls itself and nothing else", "The stack's limit: a trap", runs(host.Options{}, func() []byte {
			p := wt.NewPlugin()
			f := p.Func(nil, nil, nil, wt.Call(p.Index("random_get")+1))
			return p.Handled(wt.Call(f), zero)
		}, "trapped: stack overflow", nil)},
		{"start function", "The loop is in a start function, which runs before anything can be asked of the module",
			"Start functions are refused when the module is loaded", refused(func() []byte {
				p := wt.NewPlugin()
				f := p.Func(nil, nil, nil, forever())
				p.Start(f)
				return p.Handled(zero)
			}, "there is a start function: what has to run first belongs into the export _initialize")},
		{"loop of honest code", "The echo plugin, written in Go, computes for ever", byFuel, echoesIn(host.Options{RequestTimeout: atEase}, "spin", "setting request_timeout")},
		{"sleep in honest code", "The echo plugin sleeps for ever, whatever it is told", "A sleep ends with the request",
			echoesIn(host.Options{RequestTimeout: atEase}, "hang", "setting request_timeout")},
	}...)
}

// handling is a plugin with that body of provisor_handle.
func handling(body ...[]byte) func() []byte {
	return func() []byte { return wt.NewPlugin().Handled(append(body, zero)...) }
}

// looped is a plugin that does something over and over.
func looped(body func(*wt.Plugin) []byte) func() []byte {
	return func() []byte {
		p := wt.NewPlugin()
		return p.Handled(forever(body(p)), zero)
	}
}

// export is a plugin with that body of an export, and otherwise well-behaved ones.
func export(name string, body ...[]byte) func() []byte {
	return func() []byte {
		p := wt.NewPlugin()
		p.Define(name, nil, body...)
		for other, b := range map[string][]byte{abi.ExportABIVersion: wt.I32Const(abi.Version), abi.ExportAlloc: wt.I32Const(wt.RequestAt), abi.ExportHandle: zero} {
			if other != name {
				p.Define(other, nil, b)
			}
		}
		p.Memory(wt.AtLeast(1))
		p.ExportMemory(abi.ExportMemory)
		return p.Bytes()
	}
}

// bulk is a plugin with 64 MiB of memory that does the same to them over and over.
func bulk(body ...[]byte) func() []byte {
	return handling(wt.I32Const(1024), wt.MemoryGrow, wt.Drop, forever(body...))
}

func recursion() []byte {
	p := wt.NewPlugin()
	self := p.Index("random_get") + 1
	down := slices.Concat(wt.LocalGet(0), wt.I32Const(1), wt.I32Sub, wt.Call(self))
	p.Func([]wt.Type{wt.I32}, nil, nil, wt.LocalGet(0), wt.If(down, down))
	return p.Handled(wt.I32Const(60), wt.Call(self), zero)
}

func cascade() []byte {
	p := wt.NewPlugin()
	last := p.Func(nil, nil, nil)
	for range 30 {
		last = p.Func(nil, nil, nil, bytes.Repeat(wt.Call(last), 1000))
	}
	return p.Handled(wt.Call(last), zero)
}

func straight() []byte {
	p := wt.NewPlugin()
	step := slices.Concat(wt.LocalGet(0), wt.I32Const(1), wt.I32Add, wt.LocalSet(0))
	f := p.Func(nil, nil, []wt.Type{wt.I32}, bytes.Repeat(step, 1<<20/len(step)))
	return p.Handled(forever(wt.Call(f)), zero)
}
