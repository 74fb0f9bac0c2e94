package instrument_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/provisor/provisor/host/internal/instrument"
)

// TestSpecification runs WebAssembly's own test suite, version 2.0, as wazero has it: every module as it is and
// instrumented, side by side. Whatever is called must end the same way. Modules that are invalid must be refused still.
func TestSpecification(t *testing.T) {
	skipWithRaceDetector(t)
	dir := filepath.Join(wazeroDir(t), "internal", "integration_test", "spectest")
	scripts, err := filepath.Glob(filepath.Join(dir, "v2", "testdata", "*.json"))
	must(t, err)
	if len(scripts) < 100 {
		t.Skipf("wazero comes without the test suite: %d scripts in %s", len(scripts), dir)
	}
	common, err := os.ReadFile(filepath.Join(dir, "testdata", "spectest.wasm"))
	must(t, err)
	total := specCount{}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".json"), func(t *testing.T) { runScript(t, script, common, &total) })
	}
	t.Logf("%d modules, %d calls, %d modules refused", total.modules, total.calls, total.refused)
	if total.modules < 1000 || total.calls < 20_000 || total.refused < 1000 {
		t.Error("that is not the whole suite")
	}
}

type specCount struct{ modules, calls, refused int }

type specCommand struct {
	Type       string
	Line       int
	Name, As   string
	Filename   string
	ModuleType string `json:"module_type"`
	Action     struct {
		Type, Field, Module string
		Args                []specValue
	}
}

type specValue struct {
	Type     string
	LaneType string `json:"lane_type"`
	Value    any
}

// A pair is a module as it is and instrumented.
type pair [2]api.Module

type specRun struct {
	t     *testing.T
	dir   string
	hosts [2]*host
	named map[string]pair
	last  pair
	count *specCount
}

func runScript(t *testing.T, path string, common []byte, total *specCount) {
	var script struct{ Commands []specCommand }
	text, err := os.ReadFile(path)
	must(t, err, json.Unmarshal(text, &script))
	s := &specRun{t: t, dir: filepath.Dir(path), named: map[string]pair{}, count: total}
	for i := range s.hosts {
		s.hosts[i] = newHost(t, wazero.NewRuntimeConfig())
		_, err := s.hosts[i].runtime.InstantiateWithConfig(s.hosts[i].ctx, common, wazero.NewModuleConfig())
		must(t, err)
	}
	for i, c := range script.Commands {
		as := ""
		if i+1 < len(script.Commands) && script.Commands[i+1].Type == "register" {
			as = script.Commands[i+1].As
		}
		s.command(c, as)
	}
}

func (s *specRun) command(c specCommand, as string) {
	switch c.Type {
	case "module":
		s.last = s.module(c, as)
		if c.Name != "" {
			s.named[c.Name] = s.last
		}
	case "assert_invalid", "assert_malformed", "assert_unlinkable", "assert_uninstantiable":
		if c.ModuleType != "text" {
			s.module(c, "")
		}
	case "assert_return", "assert_trap", "assert_exhaustion", "action":
		mods := s.last
		if c.Action.Module != "" {
			mods = s.named[c.Action.Module]
		}
		s.act(c, mods)
	case "register":
	default:
		s.t.Errorf("line %d: unknown command %s", c.Line, c.Type)
	}
}

// module instantiates both, and expects both to fail or none.
func (s *specRun) module(c specCommand, as string) (mods pair) {
	module, err := os.ReadFile(filepath.Join(s.dir, c.Filename))
	must(s.t, err)
	config := wazero.NewModuleConfig().WithName(as)
	var errs [2]error
	mods[0], errs[0] = s.hosts[0].runtime.InstantiateWithConfig(s.hosts[0].ctx, module, config)
	module, errs[1] = instrument.Instrument(module, instrument.Options{Tables: math.MaxUint32})
	if errs[1] == nil {
		mods[1], errs[1] = s.hosts[1].runtime.InstantiateWithConfig(s.hosts[1].ctx, module, config)
	}
	if (errs[0] == nil) != (errs[1] == nil) {
		s.t.Errorf("line %d: %s: plain: %v, instrumented: %v", c.Line, c.Filename, errs[0], errs[1])
	}
	if s.count.modules++; errs[0] != nil {
		s.count.refused++
	}
	return mods
}

// act calls a function, or reads a global, of both.
func (s *specRun) act(c specCommand, mods pair) {
	if mods[0] == nil || mods[1] == nil {
		s.t.Errorf("line %d: there is no module", c.Line)
		return
	}
	if c.Action.Type == "get" {
		a, b := mods[0].ExportedGlobal(c.Action.Field).Get(), mods[1].ExportedGlobal(c.Action.Field).Get()
		if a != b {
			s.t.Errorf("line %d: global %s: plain: %d, instrumented: %d", c.Line, c.Action.Field, a, b)
		}
		return
	}
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.bits()...)
	}
	s.count.calls++
	var results [2][]uint64
	var errs [2]string
	var types []api.ValueType
	for i, mod := range mods {
		f := mod.ExportedFunction(c.Action.Field)
		types = f.Definition().ResultTypes()
		r, err := f.Call(s.hosts[i].ctx, args...)
		results[i], errs[i] = r, trap(err)
	}
	if errs[0] != errs[1] || errs[0] == "" && !sameResults(results, types) {
		s.t.Errorf("line %d: %s(%v): plain: %v %s, instrumented: %v %s", c.Line, c.Action.Field, args, results[0], errs[0], results[1], errs[1])
	}
	if (c.Type == "assert_return") != (errs[0] == "") && c.Type != "action" {
		s.t.Errorf("line %d: %s: %q", c.Line, c.Type, errs[0])
	}
}

// trap is why a call failed, without the stack.
func trap(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// sameResults compares bit by bit, but one NaN is as good as another, and a reference is a pointer.
func sameResults(results [2][]uint64, types []api.ValueType) bool {
	if slices.Equal(results[0], results[1]) {
		return true
	}
	at := 0
	for _, t := range types {
		a, b := results[0][at], results[1][at]
		at++
		switch t {
		case api.ValueTypeF32:
			if isNaN32(a) && isNaN32(b) {
				continue
			}
		case api.ValueTypeF64:
			if math.IsNaN(math.Float64frombits(a)) && math.IsNaN(math.Float64frombits(b)) {
				continue
			}
		case 0x70: // funcref
			if a != 0 && b != 0 {
				continue
			}
		case 0x7b: // v128
			if a == b && results[0][at] == results[1][at] {
				at++
				continue
			}
			return false
		}
		if a != b {
			return false
		}
	}
	return true
}

func isNaN32(bits uint64) bool {
	f := math.Float32frombits(uint32(bits))
	return f != f
}

// bits is the value as a call takes it.
func (v specValue) bits() []uint64 {
	if v.Type != "v128" {
		text, _ := v.Value.(string)
		n := parseBits(text)
		if v.Type == "externref" && text != "null" {
			n++ // zero is null
		}
		return []uint64{n}
	}
	lanes := v.Value.([]any)
	width := 128 / len(lanes)
	out := make([]uint64, 2)
	for i, lane := range lanes {
		bit := i * width
		out[bit/64] |= parseBits(lane.(string)) & (1<<width - 1) << (bit % 64)
	}
	return out
}

func parseBits(text string) uint64 {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return uint64(n)
}

// wazeroDir is where the module cache has wazero, tests and all.
func wazeroDir(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	must(t, err)
	return strings.TrimSpace(string(out))
}
