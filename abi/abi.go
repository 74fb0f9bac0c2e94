// Package abi is the contract between host and plugin, version 1: names, numbers and packing as documented constants.
// The specification that goes with it is abi.md. Standard library only.
package abi

//go:generate go run ./internal/cheader provisor.h

// The ABI's version, as provisor_abi_version packs it. A host takes a plugin of the same major version whose minor is
// not newer than its own.
const (
	Major   = 1
	Minor   = 0
	Version = Major<<16 | Minor
)

// SplitVersion unpacks what provisor_abi_version returns: 0x0001_0002 is major 1, minor 2.
func SplitVersion(v uint32) (major, minor uint16) { return uint16(v >> 16), uint16(v) }

// HostModule is the name of the module that a plugin imports the host's functions from. It carries the major version.
const HostModule = "provisor_v1"

// ManifestSection is the name of the custom section that holds the plugin's serialized Manifest.
const ManifestSection = "provisor.manifest"

// The directories that a plugin sees, in the order in which they are preopened (descriptors 3 and 4).
const (
	WorkDir = "/work"
	TmpDir  = "/tmp"
)

// ForkSeedSize is the number of random bytes at the pointer that provisor_forked gets.
const ForkSeedSize = 32

// ValueType is a WebAssembly value type, in the binary format's encoding.
type ValueType byte

// The value types that the ABI uses.
const (
	I32 ValueType = 0x7f
	I64 ValueType = 0x7e
)

// String is the type's name in the text format.
func (t ValueType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	}
	return "?"
}

// Function is a function's name and signature.
type Function struct {
	Name    string
	Params  []ValueType
	Results []ValueType
	// Optional marks an export that a plugin may lack.
	Optional bool
}

// String is the function in the notation of abi.md: "provisor_handle (i32, i32) -> (i32)".
func (f Function) String() string { return f.Name + " " + Signature(f.Params, f.Results) }

// Signature writes parameters and results in the notation of abi.md: "(i32, i32) -> (i32)".
func Signature(params, results []ValueType) string {
	list := func(ts []ValueType) string {
		s := "("
		for i, t := range ts {
			if i > 0 {
				s += ", "
			}
			s += t.String()
		}
		return s + ")"
	}
	return list(params) + " -> " + list(results)
}

// The names of a plugin's exports.
const (
	ExportMemory     = "memory"
	ExportInitialize = "_initialize"
	ExportABIVersion = "provisor_abi_version"
	ExportAlloc      = "provisor_alloc"
	ExportHandle     = "provisor_handle"
	ExportForked     = "provisor_forked"
)

// Exports are the functions that a plugin exports, beside its memory.
var Exports = []Function{
	{Name: ExportInitialize, Optional: true},
	{Name: ExportABIVersion, Results: []ValueType{I32}},
	{Name: ExportAlloc, Params: []ValueType{I32}, Results: []ValueType{I32}},
	{Name: ExportHandle, Params: []ValueType{I32, I32}, Results: []ValueType{I32}},
	{Name: ExportForked, Params: []ValueType{I32}, Optional: true},
}

// The names of the host's functions.
const (
	FuncSessionInfo  = "session_info"
	FuncLog          = "log"
	FuncRespond      = "respond"
	FuncCanceled     = "canceled"
	FuncExecStart    = "exec_start"
	FuncExecRead     = "exec_read"
	FuncExecWrite    = "exec_write"
	FuncExecWait     = "exec_wait"
	FuncExecSignal   = "exec_signal"
	FuncExecClose    = "exec_close"
	FuncChmod        = "chmod"
	FuncMode         = "mode"
	FuncCacheRestore = "cache_restore"
	FuncCacheSave    = "cache_save"
	FuncLastError    = "last_error"
)

// Imports are the functions that the host provides in HostModule.
var Imports = []Function{
	{Name: FuncSessionInfo, Params: []ValueType{I32, I32}, Results: []ValueType{I32}},
	{Name: FuncLog, Params: []ValueType{I32, I32, I32}, Results: []ValueType{I32}},
	{Name: FuncRespond, Params: []ValueType{I32, I32}, Results: []ValueType{I32}},
	{Name: FuncCanceled, Results: []ValueType{I32}},
	{Name: FuncExecStart, Params: []ValueType{I32, I32}, Results: []ValueType{I32}},
	{Name: FuncExecRead, Params: []ValueType{I32, I32, I32, I32}, Results: []ValueType{I64}},
	{Name: FuncExecWrite, Params: []ValueType{I32, I32, I32}, Results: []ValueType{I32}},
	{Name: FuncExecWait, Params: []ValueType{I32, I32, I32}, Results: []ValueType{I32}},
	{Name: FuncExecSignal, Params: []ValueType{I32, I32}, Results: []ValueType{I32}},
	{Name: FuncExecClose, Params: []ValueType{I32}, Results: []ValueType{I32}},
	{Name: FuncChmod, Params: []ValueType{I32, I32, I32}, Results: []ValueType{I32}},
	{Name: FuncMode, Params: []ValueType{I32, I32}, Results: []ValueType{I32}},
	{Name: FuncCacheRestore, Params: []ValueType{I32, I32}, Results: []ValueType{I32}},
	{Name: FuncCacheSave, Params: []ValueType{I32, I32}, Results: []ValueType{I32}},
	{Name: FuncLastError, Params: []ValueType{I32, I32}, Results: []ValueType{I32}},
}

// Stream says what exec_read returned.
type Stream uint32

// What exec_read reports in the upper half of its result.
const (
	// Ended: both streams have ended; there are no bytes.
	Ended Stream = 0
	// Stdout and Stderr: that many bytes of the stream are in the buffer.
	Stdout Stream = 1
	Stderr Stream = 2
	// TimedOut: the timeout passed first; there are no bytes.
	TimedOut Stream = 3
)

// PackRead packs what exec_read returns: 5 bytes of standard error are PackRead(Stderr, 5) = 0x0000_0002_0000_0005.
func PackRead(s Stream, n uint32) int64 { return int64(s)<<32 | int64(n) }

// UnpackRead takes a result of exec_read that is not negative apart.
func UnpackRead(v int64) (Stream, uint32) { return Stream(v >> 32), uint32(v) }

// The signals that exec_signal takes, with POSIX's numbers.
const (
	SignalInterrupt = 2
	SignalKill      = 9
)
