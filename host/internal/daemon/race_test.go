//go:build race

package daemon

// raceEnabled: the race detector sees nothing of what runs in WebAssembly, and makes compiling it very slow.
const raceEnabled = true
