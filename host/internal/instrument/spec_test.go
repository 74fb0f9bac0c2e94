package instrument_test

import (
	"encoding/binary"
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

// TestSpecification runs WebAssembly's own test suite, version 2.0, as wazero has it: every module as it is, instrumented,
// and taken apart (if it can be), side by side. Whatever is called must end the same way. Modules that are invalid must be
// refused still.
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
	t.Logf("%d modules, %d taken apart, %d bound late, %d calls, %d modules refused", total.modules, total.split, total.bound, total.calls, total.refused)
	if total.modules < 1000 || total.split < 1000 || total.bound < 20 || total.calls < 20_000 || total.refused < 1000 {
		t.Error("that is not the whole suite")
	}
}

type specCount struct{ modules, split, bound, calls, refused int }

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

// forms are how a module is run: as it is, instrumented, taken apart.
const forms = 3

type specModule [forms]api.Module

type specRun struct {
	t     *testing.T
	dir   string
	hosts [forms]*host
	named map[string]specModule
	last  specModule
	count *specCount
}

func runScript(t *testing.T, path string, common []byte, total *specCount) {
	var script struct{ Commands []specCommand }
	text, err := os.ReadFile(path)
	must(t, err, json.Unmarshal(text, &script))
	s := &specRun{t: t, dir: filepath.Dir(path), named: map[string]specModule{}, count: total}
	s.hosts = newHosts(t)
	for i := range s.hosts {
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

// module instantiates all forms, and expects all to fail or none.
func (s *specRun) module(c specCommand, as string) (mods specModule) {
	module, err := os.ReadFile(filepath.Join(s.dir, c.Filename))
	must(s.t, err)
	options := instrument.Options{Tables: math.MaxUint32}
	config := wazero.NewModuleConfig().WithName(as)
	var errs [forms]error
	mods[0], errs[0] = s.hosts[0].runtime.InstantiateWithConfig(s.hosts[0].ctx, module, config)
	out, err := instrument.Instrument(module, options)
	for i := range forms - 1 {
		if errs[i+1] = err; err != nil {
			continue
		}
		h := s.hosts[i+1]
		if parts, err := instrument.Split(module, options); i == 1 && err == nil && !starts(module) {
			mods[i+1], errs[i+1] = h.assemble(parts, config)
			s.count.split++
			if mods[i+1] != nil && mods[i+1].ExportedFunction(instrument.Prepare) != nil {
				s.count.bound++
			}
			continue
		}
		mods[i+1], errs[i+1] = h.runtime.InstantiateWithConfig(h.ctx, out, config)
	}
	for i, form := range []string{"instrumented", "taken apart"} {
		if (errs[0] == nil) != (errs[i+1] == nil) {
			s.t.Errorf("line %d: %s: plain: %v, %s: %v", c.Line, c.Filename, errs[0], form, errs[i+1])
		}
	}
	if s.count.modules++; errs[0] != nil {
		s.count.refused++
	}
	return mods
}

// starts tells whether the module has a start function, which would run before its data is put into place by hand.
func starts(module []byte) bool {
	rest := module[8:]
	for len(rest) > 0 && rest[0] != 8 {
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			return false
		}
		rest = rest[1+n+int(size):]
	}
	return len(rest) > 0
}

// act calls a function, or reads a global, of all forms.
func (s *specRun) act(c specCommand, mods specModule) {
	if slices.Contains(mods[:], nil) {
		s.t.Errorf("line %d: there is no module", c.Line)
		return
	}
	if c.Action.Type == "get" {
		for _, mod := range mods[1:] {
			if a, b := mods[0].ExportedGlobal(c.Action.Field).Get(), mod.ExportedGlobal(c.Action.Field).Get(); a != b {
				s.t.Errorf("line %d: global %s: plain: %d, else: %d", c.Line, c.Action.Field, a, b)
			}
		}
		return
	}
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.bits()...)
	}
	s.count.calls++
	var results [forms][]uint64
	var errs [forms]string
	var types []api.ValueType
	for i, mod := range mods {
		f := mod.ExportedFunction(c.Action.Field)
		types = f.Definition().ResultTypes()
		r, err := f.Call(s.hosts[i].ctx, args...)
		results[i], errs[i] = r, trap(err)
	}
	for i := 1; i < forms; i++ {
		if errs[0] != errs[i] || errs[0] == "" && !sameResults(results[0], results[i], types) {
			s.t.Errorf("line %d: %s(%v): plain: %v %s, form %d: %v %s", c.Line, c.Action.Field, args, results[0], errs[0], i, results[i], errs[i])
		}
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
func sameResults(left, right []uint64, types []api.ValueType) bool {
	if slices.Equal(left, right) {
		return true
	}
	at := 0
	for _, t := range types {
		a, b := left[at], right[at]
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
			if a == b && left[at] == right[at] {
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
