//go:build race

package snippet_test

const raceEnabled = true
