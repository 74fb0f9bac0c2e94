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
// One unit is about one simple instruction: less than a nanosecond, or a hundred where it waits for memory. Fuel is burnt
//
//   - at every branch back to a loop's head, for the longest way that may have led there,
//   - at the entry of every function, for the longest way from the last such point to its return or to a call,
//   - within long straight-line code, every thousand units,
//   - before memory.init, table.copy, table.fill, table.init, memory.grow and table.grow, by length,
//   - for memory.copy and memory.fill, which become calls of functions that do it a megabyte at a time.
//
// What is charged on a way is never less than what is on it: a guest can't arrange its code so that it runs for long between
// two charges. Often it is more, since the longest of several ways counts. Lengths are unsigned, and the global is an i64 that
// no charge can wrap around.
//
// # What changes
//
// Two types, one import, one global, one local of each function, and two functions in a module with a memory, all of them
// last. Functions that the module defines are one number further on: in calls, references, element segments, exports, the
// start section and the names. The guest's own code can't reach what is new: a number that was out of range is refused.
//
// Go's compiler writes every jump as a way back to the head of one loop and on through a table. Jumps ahead become branches
// to where they lead, which is also why Go guests are hardly slower than before, if at all.
//
// The maxima of tables are lowered, see [Options].
//
// Custom sections are kept. Dropped are those that speak of offsets in the code, which move: .debug_*, reloc.*, linking,
// metadata.code.*, sourceMappingURL and external_debug_info; a name section that is malformed; and those that are empty.
//
// # The state of instances
//
// [Split] does the same and makes the module's state accessible: the active data segments are taken out, globals that can change are
// exported, and one more global tells whether the code has changed what can't be read from outside.
//
// Where the code does no more with the one table than to call what is there, functions get into it when they are called the first time
// (one more global, and some functions and exports): a runtime fills the tables of each new instance one by one, and Go's linker lists
// all functions there are.
//
// # What is refused
//
// What WebAssembly 2.0 (wazero's CoreFeaturesV2) does not have; a module that imports from the module of yield; a count
// that its section can't hold and more than 50,000 locals in a function, for which a decoder would allocate gigabytes; an
// encoding of a SIMD instruction that decoders read in more than one way.
package instrument
