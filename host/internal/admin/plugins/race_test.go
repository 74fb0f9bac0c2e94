//go:build race

package plugins_test

// slow is whether the race detector slows everything down, and takes memory for itself.
const slow = true
