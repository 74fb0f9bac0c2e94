//go:build !linux

package compiler

// limitMemory has no limit of the system's to set here that Go programs could live with.
func limitMemory(uint64) {}
