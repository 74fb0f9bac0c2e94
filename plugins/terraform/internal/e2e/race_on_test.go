//go:build race

package e2e

// raceEnabled: the race detector sees nothing of what runs in WebAssembly, and makes compiling it very slow.
const raceEnabled = true
