package guest

import (
	"runtime"
	"runtime/debug"
	"sync"
)

// memoryLimit is how much linear memory the host lets this instance have, in bytes; 0 = unknown.
var memoryLimit = sync.OnceValue(func() uint64 {
	info, err := sessionInfo()
	if err != nil {
		return 0
	}
	return info.GetLimits().GetMemoryBytes()
})

// collectAt is how much a heap grows, in percent of what is in use, before garbage is collected, which is first done at 32 MiB then, or as the
// host's limit comes near: an instance computes little and is gone soon, and one collection takes it as long as the graph of 2,000 resources.
const collectAt = 800

// limitMemory tells the garbage collector of the host's limit. Without it the heap may double before the first
// collection that would have kept it below. Only then may it take its time.
var limitMemory = sync.OnceFunc(func() {
	if limit := memoryLimit(); limit > 0 {
		debug.SetMemoryLimit(int64(limit - limit/8))
		debug.SetGCPercent(collectAt)
	}
})

// memoryFits reports whether size bytes more stay below the host's limit. Small buffers are not worth the question.
func memoryFits(size uint32) bool {
	const (
		small = 1 << 20
		// outside is what the runtime does not count: the module's own data and the first stack.
		outside = 8 << 20
	)
	if size < small {
		return true
	}
	limit := memoryLimit()
	if limit == 0 {
		return true
	}
	fits := func() bool {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.Sys-m.HeapIdle+uint64(size)+outside <= limit
	}
	if fits() {
		return true
	}
	runtime.GC()
	return fits()
}
