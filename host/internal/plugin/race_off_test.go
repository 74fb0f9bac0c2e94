//go:build !race

package plugin

const slowCompiler = false
