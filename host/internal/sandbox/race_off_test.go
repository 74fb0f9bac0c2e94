//go:build !race

package sandbox

const slowCompiler = false
