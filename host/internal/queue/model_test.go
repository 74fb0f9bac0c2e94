package queue

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// world is a queue on a clock that jumps from one thing that happens to the next, and what is to be true of it.
type world struct {
	t      *testing.T
	now    time.Duration
	queue  *Queue
	slots  int
	shares map[string]Share
	rng    *rand.Rand
	events events

	// waiting are the tickets without a slot by tenant, in the order in which they came; running those with one.
	waiting map[string][]*job
	running map[*job]bool
	// served is how long each tenant has held slots.
	served map[string]time.Duration
	// greedy are tenants that always have more to do than slots; the value is their longest piece of work.
	greedy   map[string]time.Duration
	requests int
}

type job struct {
	tenant string
	ticket *Ticket
	length time.Duration
	begun  bool
	// again is how many more requests the session has.
	again int
	asked time.Duration
	// started is told how long the job has waited, when it gets its slot.
	started func(waited time.Duration)
}

type event struct {
	at time.Duration
	do func()
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func newWorld(t *testing.T, seed uint64, slots int, shares map[string]Share) *world {
	w := &world{
		t: t, slots: slots, shares: shares, rng: rand.New(rand.NewPCG(seed, 1)),
		waiting: make(map[string][]*job), running: make(map[*job]bool), served: make(map[string]time.Duration),
	}
	w.queue = New(slots, func(tenant string) Share { return w.shares[tenant] })
	w.queue.now = func() time.Duration { return w.now }
	return w
}

func (w *world) after(d time.Duration, do func()) { heap.Push(&w.events, event{w.now + d, do}) }

// run lets things happen until the time is over.
func (w *world) run(until time.Duration) {
	for len(w.events) > 0 && !w.t.Failed() {
		e := heap.Pop(&w.events).(event)
		if e.at > until {
			return
		}
		for j := range w.running {
			w.served[j.tenant] += e.at - w.now
		}
		w.now = e.at
		e.do()
		w.settle()
		w.check()
	}
}

// ask has a session ask for its next slot.
func (w *world) ask(j *job) {
	fresh := 0
	for _, other := range w.waiting[j.tenant] {
		if !other.begun {
			fresh++
		}
	}
	limit := w.shares[j.tenant].Waiting
	ticket, err := w.queue.Ask(j.tenant, j.begun)
	if err != nil {
		if j.begun || limit == 0 || fresh < limit {
			w.t.Errorf("%s was refused (begun: %t) with %d waiting of %d: %v", j.tenant, j.begun, fresh, limit, err)
		}
		return
	}
	w.requests++
	j.ticket, j.asked = ticket, w.now
	w.waiting[j.tenant] = append(w.waiting[j.tenant], j)
	if !j.begun && limit > 0 && fresh >= limit && !isReady(ticket) {
		w.t.Errorf("%s has %d waiting, the limit is %d", j.tenant, fresh+1, limit)
	}
}

// settle sees who has got a slot, and has it go on.
func (w *world) settle() {
	for name, longest := range w.greedy {
		for len(w.waiting[name]) <= 2*w.slots {
			w.ask(&job{tenant: name, length: 1 + time.Duration(w.rng.Int64N(int64(longest))), begun: w.rng.IntN(2) == 0})
		}
	}
	for tenant, jobs := range w.waiting {
		w.waiting[tenant] = slices.DeleteFunc(jobs, func(j *job) bool {
			if !isReady(j.ticket) {
				return false
			}
			for _, other := range jobs {
				if other == j {
					break
				}
				if other.begun == j.begun && !isReady(other.ticket) {
					w.t.Errorf("%s: a request that came later goes first", tenant)
				}
			}
			w.running[j] = true
			if j.started != nil {
				j.started(w.now - j.asked)
			}
			w.after(j.length, func() { w.end(j) })
			return true
		})
	}
}

func (w *world) end(j *job) {
	delete(w.running, j)
	j.ticket.Release()
	if w.rng.IntN(10) == 0 {
		j.ticket.Release()
	}
	if j.again > 0 {
		w.ask(&job{tenant: j.tenant, length: j.length, begun: true, again: j.again - 1})
	}
}

// cancel takes one that waits away.
func (w *world) cancel(tenant string) {
	if jobs := w.waiting[tenant]; len(jobs) > 0 {
		i := w.rng.IntN(len(jobs))
		jobs[i].ticket.Release()
		w.waiting[tenant] = slices.Delete(jobs, i, i+1)
	}
}

// check compares the queue with what the world knows.
func (w *world) check() {
	held := map[string]int{}
	for j := range w.running {
		held[j.tenant]++
	}
	s := w.queue.Status()
	if s.Used != len(w.running) || s.Slots != w.slots {
		w.t.Errorf("the queue says %d of %d slots are held, it is %d of %d", s.Used, s.Slots, len(w.running), w.slots)
	}
	for tenant, jobs := range w.waiting {
		if got, want := s.Tenants[tenant], (TenantStatus{Used: held[tenant], Waiting: len(jobs)}); got != want {
			w.t.Errorf("%s: the queue says %+v, it is %+v", tenant, got, want)
		}
		limit := w.shares[tenant].Concurrency
		if len(jobs) > 0 && len(w.running) < w.slots && (limit == 0 || held[tenant] < limit) {
			w.t.Errorf("%s waits though %d of %d slots are held, %d of them its own (limit %d)", tenant, len(w.running), w.slots, held[tenant], limit)
		}
	}
}

func isReady(t *Ticket) bool {
	select {
	case <-t.Ready():
		return true
	default:
		return false
	}
}

// TestRandom plays random days: tenants with all kinds of shares that come, wait, give up and go, while the settings change.
func TestRandom(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed, 1, map[string]Share{})
			w.slots = 1 + w.rng.IntN(5)
			names := []string{"a", "b", "c", "d", "e"}[:1+w.rng.IntN(5)]
			settings := func() {
				shares := map[string]Share{}
				for _, name := range names {
					shares[name] = Share{Weight: w.rng.IntN(4), Concurrency: w.rng.IntN(4), Waiting: w.rng.IntN(6)}
				}
				// A limit that went down holds for what comes from then on.
				w.slots, w.shares = max(w.slots, len(w.running), 1+w.rng.IntN(5)), shares
				w.queue.Configure(w.slots, func(tenant string) Share { return shares[tenant] })
			}
			settings()
			for range 300 {
				at := time.Duration(w.rng.IntN(20_000)) * time.Millisecond
				tenant := names[w.rng.IntN(len(names))]
				switch w.rng.IntN(20) {
				case 0:
					w.after(at, settings)
				case 1, 2, 3:
					w.after(at, func() { w.cancel(tenant) })
				default:
					j := &job{tenant: tenant, length: time.Duration(w.rng.IntN(1000)) * time.Millisecond, again: w.rng.IntN(3)}
					w.after(at, func() { w.ask(j) })
				}
			}
			w.run(time.Hour)
			if len(w.running) > 0 || w.queue.Status().Used > 0 || len(w.queue.Status().Tenants) > 0 {
				t.Errorf("at the end %d run, and the queue has %+v", len(w.running), w.queue.Status())
			}
			if w.requests < 100 {
				t.Errorf("only %d requests were made", w.requests)
			}
		})
	}
}

// TestShares has tenants that always want more than they get. Their time in slots, by weight, differs by no more than what one of
// them can hold at once.
func TestShares(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			w := newWorld(t, seed, 1+rng.IntN(4), map[string]Share{})
			w.greedy = map[string]time.Duration{}
			longest := time.Duration(0)
			for i := range 2 + rng.IntN(3) {
				name := string(rune('a' + i))
				w.shares[name] = Share{Weight: 1 + rng.IntN(4)}
				w.greedy[name] = time.Duration(1+rng.IntN(3000)) * time.Millisecond
				longest = max(longest, w.greedy[name])
			}
			w.after(0, func() {})
			w.run(300 * longest)
			for a, share := range w.shares {
				for b, other := range w.shares {
					got := w.served[a]/time.Duration(share.Weight) - w.served[b]/time.Duration(other.Weight)
					if bound := time.Duration(w.slots) * longest; got > bound {
						t.Errorf("%s (weight %d) had %s and %s (weight %d) had %s: %s apart by weight, at most %s are to be",
							a, share.Weight, w.served[a], b, other.Weight, w.served[b], got, bound)
					}
				}
			}
		})
	}
}

// TestNewcomer has a tenant alone for a while before another comes: what it had then does not count.
func TestNewcomer(t *testing.T) {
	w := newWorld(t, 3, 2, map[string]Share{})
	w.greedy = map[string]time.Duration{"old": time.Second}
	var before time.Duration
	w.after(0, func() {})
	w.after(100*time.Second, func() {
		before = w.served["old"]
		w.greedy["new"] = time.Second
	})
	w.run(130 * time.Second)
	if old, fresh := w.served["old"]-before, w.served["new"]; (old - fresh).Abs() > 2*time.Second {
		t.Errorf("since the newcomer came it had %s, the old one %s", fresh, old)
	}
}

// TestFlood lets one tenant flood the queue while another asks now and then. The other waits for no more than a slot to become free, and
// not at all where the first may not have all slots.
func TestFlood(t *testing.T) {
	for _, tt := range []struct {
		name        string
		concurrency int
		want        time.Duration
	}{
		{"all slots", 0, time.Second},
		{"all but one", 3, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 7, 4, map[string]Share{"flood": {Concurrency: tt.concurrency, Waiting: 100}})
			w.greedy = map[string]time.Duration{"flood": time.Second}
			var longest time.Duration
			visits := 0
			var visit func()
			visit = func() {
				j := &job{tenant: "visitor", length: time.Duration(1+w.rng.IntN(500)) * time.Millisecond}
				j.started = func(waited time.Duration) {
					longest = max(longest, waited)
					visits++
					w.after(j.length+time.Duration(w.rng.IntN(300))*time.Millisecond, visit)
				}
				w.ask(j)
			}
			w.after(0, func() {})
			w.after(5*time.Second, visit)
			w.run(200 * time.Second)
			if longest > tt.want || visits < 200 {
				t.Errorf("the visitor has waited for up to %s in %d visits, at most %s are to be", longest, visits, tt.want)
			}
		})
	}
}
