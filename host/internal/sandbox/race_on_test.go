//go:build race

package sandbox

// slowCompiler is whether the race detector slows the compiler down, tenfold.
const slowCompiler = true
