package sandbox

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/provisor/provisor/abi"
)

// check compares a module's exports and imports to the ABI's. It returns all that is wrong, not just the first thing.
func (r *Runtime) check(m wazero.CompiledModule) error {
	var errs []error
	exports := m.ExportedFunctions()
	for _, want := range abi.Exports {
		errs = append(errs, checkExport(exports[want.Name], want))
	}
	errs = append(errs, r.checkMemory(m))
	for _, f := range m.ImportedFunctions() {
		errs = append(errs, r.checkImport(f))
	}
	return errors.Join(errs...)
}

func checkExport(got api.FunctionDefinition, want abi.Function) error {
	if got == nil {
		if want.Optional {
			return nil
		}
		return fmt.Errorf("it lacks the export %s", want)
	}
	if _, _, imported := got.Import(); imported {
		return fmt.Errorf("its export %s is a function that it imports itself", want.Name)
	}
	if params, results := valueTypes(got.ParamTypes()), valueTypes(got.ResultTypes()); !slices.Equal(params, want.Params) || !slices.Equal(results, want.Results) {
		return fmt.Errorf("its export %s has the signature %s, it must be %s", want.Name, abi.Signature(params, results), abi.Signature(want.Params, want.Results))
	}
	return nil
}

func (r *Runtime) checkMemory(m wazero.CompiledModule) error {
	memory, ok := m.ExportedMemories()[abi.ExportMemory]
	if !ok {
		return fmt.Errorf("it lacks the export of its memory as %q", abi.ExportMemory)
	}
	if need := uint64(memory.Min()) * wasmPage; need > r.limits.MemoryBytes {
		return fmt.Errorf("it needs %s of memory at least, the limit is %s (setting %s)", size(need), size(r.limits.MemoryBytes), settingMemory)
	}
	return nil
}

func (r *Runtime) checkImport(f api.FunctionDefinition) error {
	module, name, _ := f.Import()
	params, results := valueTypes(f.ParamTypes()), valueTypes(f.ResultTypes())
	var want abi.Function
	switch module {
	case abi.HostModule:
		i := slices.IndexFunc(abi.Imports, func(f abi.Function) bool { return f.Name == name })
		if i < 0 {
			return fmt.Errorf("it imports %s.%s, which version %d.%d of the ABI does not have", module, name, abi.Major, abi.Minor)
		}
		want = abi.Imports[i]
	case wasi_snapshot_preview1.ModuleName:
		def, ok := r.wasi[name]
		if !ok {
			return fmt.Errorf("it imports %s.%s, which WASI preview 1 does not have", module, name)
		}
		want = abi.Function{Name: name, Params: valueTypes(def.ParamTypes()), Results: valueTypes(def.ResultTypes())}
	default:
		// The module as it came imports from no other: package vet has seen to that. This is one that the host added itself.
		return nil
	}
	if !slices.Equal(params, want.Params) || !slices.Equal(results, want.Results) {
		return fmt.Errorf("its import %s.%s has the signature %s, it must be %s", module, name, abi.Signature(params, results), abi.Signature(want.Params, want.Results))
	}
	return nil
}

func valueTypes(ts []api.ValueType) []abi.ValueType {
	var out []abi.ValueType
	for _, t := range ts {
		out = append(out, abi.ValueType(t))
	}
	return out
}

// CheckVersion returns an error if a plugin of that version of the ABI can't run here.
func CheckVersion(v uint32) error {
	major, minor := abi.SplitVersion(v)
	switch {
	case major != abi.Major:
		return fmt.Errorf("it speaks version %d.%d of the ABI, this host speaks %d.%d: it must be built with an SDK of major version %d",
			major, minor, abi.Major, abi.Minor, abi.Major)
	case minor > abi.Minor:
		return fmt.Errorf("it needs version %d.%d of the ABI, this host has %d.%d: use a newer host", major, minor, abi.Major, abi.Minor)
	}
	return nil
}
