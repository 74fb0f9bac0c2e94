// Package garbage keeps what is left of large messages from piling up: one of 60 MiB is garbage as soon as it is passed on, and Go would let
// several lie before it collects.
package garbage

import (
	"runtime"
	"sync/atomic"
)

const (
	// large is from what size on bytes count; what is smaller is left to Go.
	large = 1 << 20
	// most is how much may lie uncollected, in bytes.
	most = 32 << 20
)

// lying is how many large bytes were allocated since the last collection.
var lying atomic.Int64

// Before is to be called before that many bytes are allocated at once, to be let go soon. It collects garbage where there may be much.
func Before(size int64) {
	if size < large {
		return
	}
	if lying.Add(size) >= most {
		collect()
		lying.Add(size)
	}
}

// After is to be called when something that may have allocated so has ended. It collects half as much already: nothing may come for long.
func After() {
	if lying.Load() >= most/2 {
		collect()
	}
}

func collect() {
	lying.Store(0)
	runtime.GC()
}
