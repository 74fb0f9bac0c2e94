package sandbox

import (
	"cmp"
	"fmt"
	"time"
)

// Limits bound a module and each instance of it. A zero field means its default.
type Limits struct {
	// MemoryBytes is the most linear memory of one instance.
	MemoryBytes uint64
	// ModuleBytes is the largest module.
	ModuleBytes uint64
	// CompileTime is how long compiling a module may take, and CompileBytes how much memory.
	CompileTime  time.Duration
	CompileBytes uint64
	// CPUTime is how long the guest itself may run in one request; host functions, and waiting for a processor, do not count.
	CPUTime time.Duration
	// ResponseBytes is the largest serialized Response.
	ResponseBytes uint64
	// ConsoleBytes is how much of an instance's standard output and error goes to the host's log, for each call.
	ConsoleBytes uint64
	// OpenPrograms is how many handles of exec_start an instance may hold at once.
	OpenPrograms int
}

// DefaultLimits are the limits of a Runtime that was given none.
func DefaultLimits() Limits {
	return Limits{
		MemoryBytes:   256 << 20,
		ModuleBytes:   64 << 20,
		CompileTime:   5 * time.Minute,
		CompileBytes:  4 << 30,
		CPUTime:       10 * time.Minute,
		ResponseBytes: 64 << 20,
		ConsoleBytes:  1 << 20,
		OpenPrograms:  32,
	}
}

// The names of the settings, for messages that say which one to raise.
const (
	settingMemory       = "memory_bytes"
	settingModule       = "module_bytes"
	settingCompileTime  = "compile_millis"
	settingCompileBytes = "compile_bytes"
	settingCPU          = "cpu_millis"
	settingConsole      = "console_bytes"
	settingResponse     = "response_bytes"
	settingOpenPrograms = "open_programs"
)

// wasmPage is the unit in which linear memory grows, in bytes.
const wasmPage = 64 << 10

func (l Limits) withDefaults() Limits { return l.or(DefaultLimits()) }

// or are these limits, and others where they are zero.
func (l Limits) or(d Limits) Limits {
	l.MemoryBytes = cmp.Or(l.MemoryBytes, d.MemoryBytes)
	// Memory comes in whole pages. The last one below 4 GiB is left out: the length of a memory with all of them is 0 in 32 bits, and
	// wazero panics at a pointer to its last byte.
	l.MemoryBytes = min(l.MemoryBytes, 4<<30-wasmPage) / wasmPage * wasmPage
	l.ModuleBytes = cmp.Or(l.ModuleBytes, d.ModuleBytes)
	l.CompileTime = cmp.Or(l.CompileTime, d.CompileTime)
	l.CompileBytes = cmp.Or(l.CompileBytes, d.CompileBytes)
	l.CPUTime = cmp.Or(l.CPUTime, d.CPUTime)
	l.ResponseBytes = cmp.Or(l.ResponseBytes, d.ResponseBytes)
	l.ConsoleBytes = cmp.Or(l.ConsoleBytes, d.ConsoleBytes)
	l.OpenPrograms = cmp.Or(l.OpenPrograms, d.OpenPrograms)
	return l
}

// size writes a number of bytes for a person: "256 MiB".
func size(bytes uint64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB"}
	unit := 0
	for bytes >= 10<<10 && bytes%(1<<10) == 0 && unit < len(units)-1 || bytes >= 100<<10 && unit < len(units)-1 {
		bytes, unit = bytes>>10, unit+1
	}
	return fmt.Sprintf("%d %s", bytes, units[unit])
}
