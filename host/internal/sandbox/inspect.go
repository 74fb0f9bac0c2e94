package sandbox

import (
	"cmp"
	"context"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/instrument"
)

// Interface is what a module shows of itself. None of its code runs to find out.
type Interface struct {
	// Exports and Imports are functions, sorted. The names of imports have the module in front: "provisor_v1.log".
	Exports, Imports []abi.Function
	// MemoryBytes is the memory that an instance begins with, and MaxMemoryBytes the most that the module itself asks for; 0 = it
	// does not say.
	MemoryBytes, MaxMemoryBytes uint64
	// Problem is why the module can't run here, or nil.
	Problem error
}

// Inspect reads a module's interface. An error means that the bytes are no valid module, or one that takes more to compile than it may; what
// a valid one lacks is its Problem.
func (r *Runtime) Inspect(ctx context.Context, s Source) (*Interface, error) {
	s.Snapshot = false
	m, _, err := r.unchecked(ctx, s)
	if err != nil {
		return nil, err
	}
	defer m.Close(ctx)
	return r.describe(m.compiled), nil
}

func (r *Runtime) describe(m wazero.CompiledModule) *Interface {
	i := &Interface{Problem: r.check(m)}
	for name, f := range m.ExportedFunctions() {
		i.Exports = append(i.Exports, function(name, f))
	}
	for _, f := range m.ImportedFunctions() {
		module, name, _ := f.Import()
		if module == instrument.DefaultModule {
			continue // made on the way here
		}
		i.Imports = append(i.Imports, function(module+"."+name, f))
	}
	i.Exports, i.Imports = sorted(i.Exports), sorted(i.Imports)
	if memory, ok := m.ExportedMemories()[abi.ExportMemory]; ok {
		i.MemoryBytes = uint64(memory.Min()) * wasmPage
		if most, ok := memory.Max(); ok {
			i.MaxMemoryBytes = uint64(most) * wasmPage
		}
	}
	return i
}

// sorted also leaves out what is there twice: a module may import a function as often as it likes.
func sorted(list []abi.Function) []abi.Function {
	slices.SortFunc(list, func(a, b abi.Function) int { return cmp.Compare(a.String(), b.String()) })
	return slices.CompactFunc(list, func(a, b abi.Function) bool { return a.String() == b.String() })
}

func function(name string, f api.FunctionDefinition) abi.Function {
	return abi.Function{Name: name, Params: valueTypes(f.ParamTypes()), Results: valueTypes(f.ResultTypes())}
}
