package host

import (
	"math"
	"runtime"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/provisor/provisor/host/internal/jailfs"
	"github.com/provisor/provisor/host/internal/sandbox"
	"github.com/provisor/provisor/proto/guestpb"
)

// DefaultLimits are the limits of a runtime that was given none: far above what templates need, and low enough that one session can't
// take the machine. Their names are the settings that errors name.
func DefaultLimits() *guestpb.Limits {
	return &guestpb.Limits{
		MemoryBytes:       256 << 20,
		RequestMillis:     millis(6 * time.Hour),
		CpuMillis:         millis(10 * time.Minute),
		ResponseBytes:     64 << 20,
		LogBytes:          64 << 20,
		LogBytesPerSecond: 4 << 20,
		LogBurstBytes:     16 << 20,
		DiskBytes:         4 << 30,
		Files:             200_000,
		OpenFiles:         1024,
		ProgramRuns:       100,
		OpenPrograms:      32,
		OutputBytes:       1 << 30,
		ConsoleBytes:      1 << 20,
		ModuleBytes:       64 << 20,
		CompileMillis:     millis(5 * time.Minute),
		CompileBytes:      4 << 30,

		ProgramMemoryBytes: 4 << 30,
		ProgramProcesses:   2048,
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
	switch {
	case o.RequestTimeout > 0:
		limits.RequestMillis = millis(o.RequestTimeout)
	case o.RequestTimeout < 0:
		limits.RequestMillis = 0
	}
	return limits
}

func millis(d time.Duration) uint64 { return uint64(d.Milliseconds()) }

// sandboxLimits are those that the sandbox enforces.
func sandboxLimits(l *guestpb.Limits) sandbox.Limits {
	return sandbox.Limits{
		MemoryBytes:   l.GetMemoryBytes(),
		ModuleBytes:   l.GetModuleBytes(),
		CompileTime:   duration(l.GetCompileMillis()),
		CompileBytes:  l.GetCompileBytes(),
		CPUTime:       duration(l.GetCpuMillis()),
		ResponseBytes: l.GetResponseBytes(),
		ConsoleBytes:  l.GetConsoleBytes(),
		OpenPrograms:  int(min(l.GetOpenPrograms(), math.MaxInt32)),
	}
}

// with are the limits with those of a plugin over them; where both the tenant and the plugin have one of their own, the lower holds.
func with(limits, tenants, plugins *guestpb.Limits) *guestpb.Limits {
	if plugins == nil {
		return limits
	}
	limits = proto.Clone(limits).(*guestpb.Limits)
	plugins.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if tenants.ProtoReflect().Has(f) && tenants.ProtoReflect().Get(f).Uint() < v.Uint() {
			return true
		}
		limits.ProtoReflect().Set(f, v)
		return true
	})
	return limits
}

// compileLimits are those of the sandbox's that hold for plugins, not for their instances.
func compileLimits(l *guestpb.Limits) sandbox.Limits {
	s := sandboxLimits(l)
	return sandbox.Limits{ModuleBytes: s.ModuleBytes, CompileTime: s.CompileTime, CompileBytes: s.CompileBytes}
}

func duration(millis uint64) time.Duration {
	return time.Duration(min(millis, math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond
}

func quotaOf(l *guestpb.Limits) jailfs.QuotaLimits {
	return jailfs.QuotaLimits{Bytes: int64(l.GetDiskBytes()), Files: int64(l.GetFiles()), OpenFiles: int64(l.GetOpenFiles())}
}
