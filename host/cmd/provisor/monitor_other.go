//go:build !linux

package main

// slowMonitor does nothing: no thread can be woken up later here.
func slowMonitor() {}
