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

// collectAt is how much a heap grows, in percent of what is in use, before garbage is collected: an instance computes little and is gone soon.
const collectAt = 200

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
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys-m.HeapIdle+uint64(size)+outside <= limit
}
