package instrument_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/provisor/provisor/host/internal/instrument"
)

// TestGenerated compares generated programs as they are and instrumented. FuzzPrograms looks for others.
func TestGenerated(t *testing.T) {
	skipWithRaceDetector(t)
	random := rand.New(rand.NewPCG(1, 2))
	hosts := newHosts(t)
	var seen programCount
	for range 400 {
		src := make([]byte, 50+random.IntN(500))
		for i := range src {
			src[i] = byte(random.Uint32())
		}
		seen.compare(t, hosts, src)
	}
	t.Logf("%d programs, %d bound late, %d trapped, %d steps", seen.programs, seen.bound, seen.trapped, seen.steps)
	if seen.bound < 40 || seen.trapped < 20 || seen.trapped > 380 || seen.steps < 100_000 {
		t.Error("the programs are all alike")
	}
}

func FuzzPrograms(f *testing.F) {
	f.Add([]byte("\x03\x0b\x02\x01\x00\x01\x02\x03\x0a\x07\x0c"))
	f.Add(bytes.Repeat([]byte{11, 3, 1, 4, 1, 5, 9, 2, 6}, 40))
	f.Add(bytes.Repeat([]byte{3, 10, 7, 2, 12, 0, 5}, 60))
	f.Fuzz(func(t *testing.T, src []byte) {
		new(programCount).compare(t, newHosts(t), src)
	})
}

// newHosts is one for each form.
func newHosts(t *testing.T) (hosts [forms]*host) {
	for i := range hosts {
		hosts[i] = newHost(t, wazero.NewRuntimeConfig())
	}
	return hosts
}

type programCount struct{ programs, bound, trapped, steps int }

// compare runs a program in all forms: it must end the same, leave the same memory and globals, and have burnt at least as
// much as it ran.
func (p *programCount) compare(t *testing.T, hosts [forms]*host, src []byte) {
	t.Helper()
	plain := generate(src).encode()
	var ends [forms]string
	var memories [forms][]byte
	var steps [forms]uint64
	config := wazero.NewModuleConfig().WithName("")
	for i, module := range [][]byte{plain, instrumented(t, plain), nil} {
		h := hosts[i]
		h.burnt, h.grant = 0, 100
		var mod api.Module
		var err error
		if module != nil {
			mod, err = h.runtime.InstantiateWithConfig(h.ctx, module, config)
		} else if mod, err = h.assemble(split(t, plain), config); err == nil && mod.ExportedFunction(instrument.Prepare) != nil {
			p.bound++
		}
		must(t, err)
		results, err := mod.ExportedFunction("f0").Call(h.ctx, 5)
		ends[i] = trap(err)
		if err == nil {
			ends[i] = string(rune(results[0]))
		}
		memory, _ := mod.Memory().Read(0, mod.Memory().Size())
		memories[i] = bytes.Clone(memory)
		steps[i] = mod.ExportedGlobal("steps").Get() ^ mod.ExportedGlobal("other").Get()<<32
		must(t, mod.Close(h.ctx))
		if i == 0 {
			p.steps += int(uint32(steps[0]))
		}
	}
	p.programs++
	if ends[0] != "" && len(ends[0]) > 4 {
		p.trapped++
	}
	for i := 1; i < forms; i++ {
		if ends[0] != ends[i] || steps[0] != steps[i] || !bytes.Equal(memories[0], memories[i]) {
			t.Errorf("%x: plain: %q after %#x, form %d: %q after %#x", src, ends[0], steps[0], i, ends[i], steps[i])
		}
	}
	// A step costs 6 units at least. What was run up last was not charged yet.
	const last = 1100
	if ran := 6 * int64(uint32(steps[0])); hosts[1].burnt+last < ran {
		t.Errorf("%x: %d units were run, %d were charged", src, ran, hosts[1].burnt)
	}
}

// FuzzModules breaks modules. Whatever comes: no panic, and what wazero takes it takes instrumented, and nothing else.
func FuzzModules(f *testing.F) {
	for _, a := range hostileModules() {
		if module := a.encode(); len(module) < 1<<12 {
			f.Add(module)
		}
	}
	f.Add(generate(bytes.Repeat([]byte{11, 3, 1, 4, 1, 5, 9, 2, 6}, 40)).encode())
	f.Add(everything())
	scripts, _ := filepath.Glob(filepath.Join(wazeroDir(f), "internal", "integration_test", "spectest", "v2", "testdata", "*.0.wasm"))
	for _, path := range scripts {
		if module, err := os.ReadFile(path); err == nil && len(module) < 1<<12 {
			f.Add(module)
		}
	}
	f.Fuzz(func(t *testing.T, module []byte) {
		out, err := instrument.Instrument(module, instrument.Options{})
		if err != nil {
			// Which other modules wazero takes is not for a test to ask: some make it allocate all there is.
			if strings.Contains(err.Error(), ": code section: ") && !intended(err) && accepts(t, sections(module, 10)) {
				t.Errorf("refused, though wazero takes it: %v", err)
			}
			return
		}
		// Custom sections may be malformed, and name sections that are ask wazero for more memory than there is.
		if before, after := accepts(t, sections(module, 11)), accepts(t, out); before != after {
			t.Errorf("wazero takes it: before: %v, after: %v", before, after)
		}
		parts, err := instrument.Split(module, instrument.Options{})
		if err != nil {
			return
		}
		if before, after := accepts(t, out), accepts(t, parts.Module); before != after {
			t.Errorf("wazero takes it: whole: %v, split: %v", before, after)
		} else if outline, err := instrument.Outline(parts.Module); err != nil || before && !accepts(t, outline) {
			t.Errorf("wazero takes the module but not its outline (%v)", err)
		}
		for _, d := range parts.Data {
			if uint64(d.Offset)+uint64(len(d.Bytes)) > parts.MemoryBytes {
				t.Errorf("%d bytes at %d, outside of %d", len(d.Bytes), d.Offset, parts.MemoryBytes)
			}
		}
	})
}

// intended tells whether code was refused that wazero may take: what makes it allocate, and what the specification forbids.
func intended(err error) bool {
	for _, reason := range []string{"a vector of", "locals, at most", "unusual encoding", "number too long"} {
		if strings.Contains(err.Error(), reason) {
			return true
		}
	}
	return false
}

// sections is the module up to the section with that number, without custom ones.
func sections(module []byte, last byte) []byte {
	out := bytes.Clone(module[:8])
	for rest := module[8:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		end := 1 + n + int(size)
		if n <= 0 || end > len(rest) || end < 0 {
			break
		}
		if rest[0] != 0 {
			out = append(out, rest[:end]...)
		}
		if rest[0] == last {
			break
		}
		rest = rest[end:]
	}
	return out
}
