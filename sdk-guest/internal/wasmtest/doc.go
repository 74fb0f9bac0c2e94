// Package wasmtest checks the SDK where it runs: its tests compile two plugins and drive them through the ABI with a small
// host of their own. What tests of a real host would find as well is left to those.
package wasmtest
