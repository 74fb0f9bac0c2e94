package jail

import (
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Each call on the list is denied, and its neighbours are not.
func TestDenied(t *testing.T) {
	calls := slices.Sorted(slices.Values(deniedCalls))
	for n := range len(calls) + 1 {
		program := append([]bpf.Instruction{bpf.LoadAbsolute{Off: 0, Size: 4}}, denied(calls[:n])...)
		vm, err := bpf.NewVM(append(program, bpf.RetConstant{Val: 1}))
		if err != nil {
			t.Fatal(n, err)
		}
		for call := range calls[len(calls)-1] + 2 {
			out, err := vm.Run([]byte{byte(call >> 24), byte(call >> 16), byte(call >> 8), byte(call)})
			if err != nil {
				t.Fatal(n, call, err)
			}
			if denied := out != 1; denied != slices.Contains(calls[:n], call) {
				t.Errorf("of %d calls: %d is denied: %v", n, call, denied)
			}
		}
	}
}

// BenchmarkFilter compares the processor time of installing the filter to that of one which compares with each call in turn: medians in
// microseconds.
//
//	go test -run - -bench Filter -benchtime 1000x ./host/internal/exec/jail
func BenchmarkFilter(b *testing.B) {
	filter, err := baseFilter()
	if err != nil {
		b.Fatal(err)
	}
	program := beginning()
	for _, call := range deniedCalls {
		program = append(program, when(call, deny)...)
	}
	inTurn, err := assemble(append(program, allow))
	if err != nil {
		b.Fatal(err)
	}
	var took, tookInTurn []time.Duration
	for b.Loop() {
		took = append(took, install(b, filter))
		tookInTurn = append(tookInTurn, install(b, inTurn))
	}
	for unit, took := range map[string][]time.Duration{"µs": took, "in-turn-µs": tookInTurn} {
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, unit)
	}
	b.ReportMetric(0, "ns/op")
}

// install installs a filter in a thread that ends, and returns the processor time.
func install(b *testing.B, code []byte) time.Duration {
	took := make(chan time.Duration)
	go func() {
		defer close(took)
		runtime.LockOSThread()
		var before, after unix.Timespec
		filter := unix.SockFprog{Len: uint16(len(code) / int(unsafe.Sizeof(unix.SockFilter{}))), Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(code)))}
		err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &before)
		if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&filter))); errno != 0 || err != nil {
			b.Error(err, errno)
		}
		_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &after)
		took <- time.Duration(after.Nano() - before.Nano())
	}()
	return <-took
}
