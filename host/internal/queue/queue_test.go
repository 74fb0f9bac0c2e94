package queue

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

func ask(t *testing.T, q *Queue, tenant string, begun, ready bool) *Ticket {
	t.Helper()
	ticket, err := q.Ask(tenant, begun)
	if err != nil {
		t.Fatal(err)
	}
	if isReady(ticket) != ready {
		t.Fatalf("the ticket of %s is ready: %t, want %t", tenant, !ready, ready)
	}
	return ticket
}

func wantReady(t *testing.T, ticket *Ticket) {
	t.Helper()
	if !isReady(ticket) {
		t.Fatal("the ticket has no slot")
	}
}

// What was begun goes first, but not for ever.
func TestBegunFirst(t *testing.T) {
	q := New(1, func(string) Share { return Share{} })
	running := ask(t, q, "a", false, true)
	fresh := ask(t, q, "a", false, false)
	for i := range maxPassed {
		if isReady(fresh) {
			t.Fatalf("new work went before the %d. piece of begun work", i+1)
		}
		next := ask(t, q, "a", true, false)
		running.Release()
		running = next
	}
	last := ask(t, q, "a", true, false)
	running.Release()
	wantReady(t, fresh)
	fresh.Release()
	wantReady(t, last)
	last.Release()
}

func TestFull(t *testing.T) {
	q := New(1, func(string) Share { return Share{Waiting: 1} })
	running := ask(t, q, "a", false, true)
	waiting := ask(t, q, "a", false, false)
	_, err := q.Ask("a", false)
	var full *FullError
	if !errors.As(err, &full) || full.Waiting != 1 || full.Tenant != "a" {
		t.Errorf("got %v", err)
	}
	begun := ask(t, q, "a", true, false)
	other := ask(t, q, "b", false, false)
	for _, ticket := range []*Ticket{waiting, begun, other, running} {
		ticket.Release()
	}
	if s := q.Status(); s.Used != 0 || len(s.Tenants) != 0 {
		t.Errorf("left: %+v", s)
	}
}

func TestWait(t *testing.T) {
	q := New(2, func(tenant string) Share {
		if tenant == "narrow" {
			return Share{Concurrency: 1}
		}
		return Share{}
	})
	ask(t, q, "narrow", false, true)
	first := ask(t, q, "narrow", false, false)
	if got, want := first.Wait(), (Wait{Used: 1, Limit: 1, Own: true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	ask(t, q, "wide", false, true)
	ask(t, q, "wide", true, false)
	ask(t, q, "wide", false, false)
	second := ask(t, q, "wide", false, false)
	if got, want := second.Wait(), (Wait{Ahead: 2, Used: 2, Limit: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	const slots = 3
	q := New(slots, func(string) Share { return Share{Waiting: 20} })
	var used, most, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for range 100 {
				ticket, err := q.Ask(fmt.Sprint(i%4), i%2 == 0)
				if err != nil {
					refused.Add(1)
					continue
				}
				if i%5 == 0 {
					ticket.Release()
					continue
				}
				<-ticket.Ready()
				n := used.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				used.Add(-1)
				ticket.Release()
			}
		})
	}
	wg.Wait()
	if most.Load() > slots {
		t.Errorf("%d at once, want at most %d", most.Load(), slots)
	}
	if s := q.Status(); s.Used != 0 || len(s.Tenants) != 0 {
		t.Errorf("left: %+v", s)
	}
}

// BenchmarkQueue compares what a slot costs: of a queue that is empty, and of one in which the tenants' requests wait.
func BenchmarkQueue(b *testing.B) {
	b.Run("free", func(b *testing.B) {
		q := New(2, func(string) Share { return Share{} })
		for b.Loop() {
			ticket, _ := q.Ask("a", false)
			ticket.Release()
		}
	})
	for _, tenants := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("waiting/tenants=%d", tenants), func(b *testing.B) {
			q := New(1, func(string) Share { return Share{} })
			running, _ := q.Ask("0", false)
			var queue []*Ticket
			for i := range 1000 {
				ticket, _ := q.Ask(fmt.Sprint(i%tenants), false)
				queue = append(queue, ticket)
			}
			for i := 0; b.Loop(); i++ {
				ticket, _ := q.Ask(fmt.Sprint(i%tenants), false)
				queue = append(queue, ticket)
				running.Release()
				// The queue is fair, not first come, first served: find who got the slot.
				for j := 0; ; j++ {
					if isReady(queue[j]) {
						running = queue[j]
						queue = append(queue[:j], queue[j+1:]...)
						break
					}
				}
			}
		})
	}
}
