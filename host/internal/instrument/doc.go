// Package instrument makes a WebAssembly module interruptible: bytes in, bytes out.
//
// Compiled WebAssembly can't be preempted. Go's garbage collector waits for it, and so does everyone who waits for the
// collector. An instrumented module gives up the processor by itself: it burns fuel as it goes, counted by one more mutable
// global, and calls an imported function, yield, when there is none left.
//
// # The import
//
// The module imports a function of type (i64) -> (i64). It is called with what is left, below zero, and returns the fuel to
// go on with, above zero. It may let other goroutines run, and may panic (or close the module) to end the guest. The module
// starts with none, so the first call comes with the first function, a start function included.
//
// # What fuel counts
//
// One unit is about one simple instruction, a nanosecond at worst when all its operands are in a cache. Fuel is burnt
//
//   - at every branch back to a loop's head, for the longest way that may have led there,
//   - at the entry of every function, for the longest way from the last such point to its return,
//   - within long straight-line code, every thousand units,
//   - before memory.copy, memory.fill, memory.init, table.copy, table.fill, table.init, memory.grow and table.grow, by length.
//
// What is charged on a way is never less than what is on it: a guest can't arrange its code so that it runs for long between
// two charges. Lengths are unsigned, and the global is an i64 that no charge can wrap around.
//
// # What changes
//
// One type, one import, one global and one local of each function, all of them last. Functions that the module defines are
// one number further on: in calls, references, element segments, exports, the start section and the names. The guest's own
// code can't reach the new global: an index that was out of range is refused.
//
// Custom sections are kept. Dropped are those that speak of offsets in the code, which move: .debug_*, reloc.*, linking,
// metadata.code.*, sourceMappingURL and external_debug_info; a name section that is malformed; and those that are empty.
//
// # What is refused
//
// What WebAssembly 2.0 (wazero's CoreFeaturesV2) does not have; a module that imports from the module of yield; a count
// that its section can't hold and more than 50,000 locals in a function, for which a decoder would allocate gigabytes; an
// encoding of a SIMD instruction that decoders read in more than one way.
package instrument
