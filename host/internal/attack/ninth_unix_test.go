//go:build unix

package attack

import (
	"syscall"
	"testing"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/server"
)

// BenchmarkNinth holds an honest session alone, and one while the plugins of eight others compute for ever.
//
//	go test -run '^$' -bench Ninth -benchtime 5x ./host/internal/attack
//
// Beside eight that take all they can get, nobody is as fast as alone. for-its-cpu is how many times longer the session takes than it would with
// an even share of the processor time that this process has got (which getrusage tells): alone it waits for w and computes for c, so with a
// ninth of n processors at hand it should take w + c/min(1, n/9).
func BenchmarkNinth(b *testing.B) {
	d := startDaemon(b, host.Options{GracePeriod: 200 * time.Millisecond}, server.Options{})
	h := &honest{session: d.honestSession}
	alone, computed := h.measure(b)
	want := h.alone
	var attackers []*client.Session
	for range 8 {
		s, err := d.open(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Do(b.Context(), initWith("on plan\nspin\n"), nil); err != nil {
			b.Fatal(err)
		}
		if err := s.Send(plan); err != nil {
			b.Fatal(err)
		}
		attackers = append(attackers, s)
	}
	time.Sleep(200 * time.Millisecond)
	beside, all := h.measure(b)
	if h.alone != want {
		b.Errorf("beside the attacks it was answered\n%s\nalone\n%s", h.alone, want)
	}
	for _, s := range attackers {
		if err := s.Cancel(); err != nil {
			b.Error(err)
		}
		if _, err := s.Recv(); err != nil {
			b.Error(err)
		}
	}
	processors := all.Seconds() / beside.Seconds()
	share := min(1, processors/9)
	fair := max(0, alone.Seconds()-computed.Seconds()) + computed.Seconds()/share
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(alone.Milliseconds()), "alone-ms")
	b.ReportMetric(float64(computed.Milliseconds()), "alone-cpu-ms")
	b.ReportMetric(float64(beside.Milliseconds()), "beside-ms")
	b.ReportMetric(processors, "processors")
	b.ReportMetric(beside.Seconds()/fair, "for-its-cpu")
}

// measure holds b.N sessions. It returns how long one took, and the processor time of this process and its children meanwhile.
func (h *honest) measure(b *testing.B) (took, computed time.Duration) {
	b.Helper()
	cpu, began := processorTime(b), time.Now()
	for range b.N {
		got, err := h.session(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		h.alone = got
	}
	return time.Since(began) / time.Duration(b.N), (processorTime(b) - cpu) / time.Duration(b.N)
}

func processorTime(b *testing.B) (sum time.Duration) {
	b.Helper()
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}
