package garbage

import (
	"runtime"
	"testing"
)

func TestCollections(t *testing.T) {
	collections := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumGC
	}
	expect := func(what string, do func(), want bool) {
		t.Helper()
		before := collections()
		do()
		if got := collections() > before; got != want {
			t.Errorf("%s: collected %v, want %v", what, got, want)
		}
	}
	collect()
	expect("small ones", func() {
		for range 1000 {
			Before(large - 1)
		}
		After()
	}, false)
	expect("less than may lie", func() { Before(most - 1) }, false)
	expect("more", func() { Before(large) }, true)
	expect("the end, with little", After, false)
	Before(most / 2)
	expect("the end", After, true)
	expect("nothing more", After, false)
}
