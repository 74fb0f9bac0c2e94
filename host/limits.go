package host

import (
	"runtime"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host/internal/jailfs"
	"github.com/provisor/provisor/proto/guestpb"
)

// DefaultLimits are the limits of a runtime that was given none: far above what templates need, and low enough that one session can't
// take the machine. Their names are the settings that errors name.
func DefaultLimits() *guestpb.Limits {
	return &guestpb.Limits{
		MemoryBytes:   256 << 20,
		ResponseBytes: 64 << 20,
		LogBytes:      64 << 20,
		DiskBytes:     4 << 30,
		Files:         200_000,
		OpenFiles:     1024,
		ProgramRuns:   100,
		OutputBytes:   1 << 30,
	}
}

// DefaultConcurrency is one request per core, and at least two: an engine waits for others much of its time.
func DefaultConcurrency() int { return max(2, runtime.GOMAXPROCS(0)) }

// limits are the defaults with what the options say over them.
func (o Options) limits() *guestpb.Limits {
	limits := DefaultLimits()
	if o.Limits != nil {
		proto.Merge(limits, o.Limits)
	}
	if o.MemoryBytes != 0 {
		limits.MemoryBytes = o.MemoryBytes
	}
	if o.RequestTimeout != 0 {
		limits.RequestMillis = uint64(o.RequestTimeout.Milliseconds())
	}
	return limits
}

func quotaOf(l *guestpb.Limits) jailfs.QuotaLimits {
	return jailfs.QuotaLimits{Bytes: int64(l.GetDiskBytes()), Files: int64(l.GetFiles()), OpenFiles: int64(l.GetOpenFiles())}
}
