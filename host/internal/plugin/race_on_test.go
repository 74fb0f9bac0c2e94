//go:build race

package plugin

// slowCompiler is whether the race detector slows the compiler down, tenfold.
const slowCompiler = true
