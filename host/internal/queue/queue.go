// Package queue says when work may begin: so many pieces at once, and in turn by tenant. Tenants that wait for slots get equal shares of
// their time, by weight, however many pieces each of them asks for.
package queue

import (
	"fmt"
	"sync"
	"time"
)

// Share is what a tenant gets of a queue. The zero value is a weight of 1 without limits of its own.
type Share struct {
	// Weight is the tenant's part of the time of slots, relative to that of the other tenants that want some. 0 = 1.
	Weight int
	// Concurrency is the most slots that the tenant holds at once. 0 = all.
	Concurrency int
	// Waiting is the most pieces of new work that may wait. 0 = no limit.
	Waiting int
}

// FullError says that as much of a tenant's work waits as may.
type FullError struct {
	Tenant string
	// Waiting is the limit, which is reached.
	Waiting int
}

func (e *FullError) Error() string {
	return fmt.Sprintf("%d requests of tenant %s wait for a slot, as many as may", e.Waiting, e.Tenant)
}

// Queue hands out slots. Its methods may be called by several goroutines.
//
// The order is that of start-time fair queueing: each tenant has a clock, which advances by the time that it holds slots, divided by its
// weight, and a slot goes to the tenant that waits with the clock furthest behind. Nobody saves up time: the clock of a tenant that did not
// wait, or was held up by its own limit alone, is put to where the last slot was given before it counts again.
type Queue struct {
	// now is a monotonic clock.
	now func() time.Duration

	mu      sync.Mutex
	slots   int
	share   func(tenant string) Share
	used    int
	tenants map[string]*lane
	// floor is the clock at which the last slot was given; it never goes back.
	floor time.Duration
	// at is when the clocks were last advanced, turn the number of the next ticket that has to wait.
	at   time.Duration
	turn uint64
}

// lane is the part of the queue that belongs to one tenant.
type lane struct {
	tenant string
	share  Share
	used   int
	clock  time.Duration
	// begun waits with work that carries on what was begun, fresh with new work.
	begun, fresh fifo
	// passed is how often begun work was taken while new work waited.
	passed int
}

// maxPassed is how much begun work goes ahead of new work that waits. What was begun is to end, so that it holds memory and disk for
// as short as possible; but work without an end must not keep what is new out for ever.
const maxPassed = 8

// New returns a queue with so many slots. share says what a tenant gets.
func New(slots int, share func(tenant string) Share) *Queue {
	began := time.Now()
	return &Queue{now: func() time.Duration { return time.Since(began) }, slots: slots, share: share, tenants: make(map[string]*lane)}
}

// Configure changes how many slots there are, and the shares. Who holds a slot keeps it, and who waits goes on waiting.
func (q *Queue) Configure(slots int, share func(tenant string) Share) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.advance()
	q.slots, q.share = slots, share
	for name, l := range q.tenants {
		if l.idle() {
			delete(q.tenants, name)
			continue
		}
		q.catchUp(l)
		l.share = share(name)
	}
	q.dispatch()
}

// Ask asks for a slot on behalf of a tenant. begun says that the work carries on what was begun: it goes ahead of the tenant's new work, and
// is never refused. The error is a *FullError.
func (q *Queue) Ask(tenant string, begun bool) (*Ticket, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.advance()
	l := q.tenants[tenant]
	if l == nil {
		l = &lane{tenant: tenant, share: q.share(tenant)}
		q.tenants[tenant] = l
	}
	q.catchUp(l)
	t := &Ticket{queue: q, lane: l, begun: begun, ready: make(chan struct{})}
	if q.used < q.slots && l.mayRun() {
		// Whoever waits has reached its own limit: else it would have this slot.
		q.grant(t)
		return t, nil
	}
	if limit := l.share.Waiting; !begun && limit > 0 && l.fresh.len() >= limit {
		q.tidy(l)
		return nil, &FullError{Tenant: tenant, Waiting: limit}
	}
	t.turn = q.turn
	q.turn++
	l.waiting(begun).add(t)
	return t, nil
}

// Status is how a queue stands at a moment.
type Status struct {
	// Slots is how many there are, Used how many of them are held.
	Slots, Used int
	// Tenants are those that hold slots or wait for one.
	Tenants map[string]TenantStatus
}

// TenantStatus is how many slots a tenant holds and how many it waits for.
type TenantStatus struct{ Used, Waiting int }

// Status returns how the queue stands.
func (q *Queue) Status() Status {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Status{Slots: q.slots, Used: q.used, Tenants: make(map[string]TenantStatus)}
	for name, l := range q.tenants {
		if !l.idle() {
			s.Tenants[name] = TenantStatus{Used: l.used, Waiting: l.begun.len() + l.fresh.len()}
		}
	}
	return s
}

// advance moves the clocks of those that hold slots to the present.
func (q *Queue) advance() {
	now := q.now()
	passed := now - q.at
	q.at = now
	for _, l := range q.tenants {
		l.clock += passed * time.Duration(l.used) / time.Duration(max(l.share.Weight, 1))
	}
}

// catchUp takes away what a tenant would have saved up while nobody else kept it from a slot.
func (q *Queue) catchUp(l *lane) {
	if l.oldest() == nil || !l.mayRun() {
		l.clock = max(l.clock, q.floor)
	}
}

// dispatch gives free slots to those that wait.
func (q *Queue) dispatch() {
	for q.used < q.slots {
		l := q.next()
		if l == nil {
			return
		}
		q.grant(l.take())
	}
}

// next is the tenant whose turn it is, or nil where nobody waits who may run. Of equals, the one that holds less and then the one that
// has waited longer.
func (q *Queue) next() *lane {
	var first *lane
	for _, l := range q.tenants {
		if l.oldest() == nil || !l.mayRun() {
			continue
		}
		if first == nil || l.before(first) {
			first = l
		}
	}
	return first
}

func (q *Queue) grant(t *Ticket) {
	q.floor = max(q.floor, t.lane.clock)
	q.used++
	t.lane.used++
	t.holds = true
	close(t.ready)
}

// tidy forgets a tenant that is idle and owes nothing.
func (q *Queue) tidy(l *lane) {
	if l.idle() && l.clock <= q.floor {
		delete(q.tenants, l.tenant)
	}
}

func (l *lane) idle() bool { return l.used == 0 && l.begun.len() == 0 && l.fresh.len() == 0 }

func (l *lane) mayRun() bool { return l.share.Concurrency <= 0 || l.used < l.share.Concurrency }

func (l *lane) waiting(begun bool) *fifo {
	if begun {
		return &l.begun
	}
	return &l.fresh
}

func (l *lane) before(other *lane) bool {
	switch {
	case l.clock != other.clock:
		return l.clock < other.clock
	case l.used != other.used:
		return l.used < other.used
	}
	return l.oldest().turn < other.oldest().turn
}

// oldest is the ticket that take would take, or nil.
func (l *lane) oldest() *Ticket {
	if l.begun.len() == 0 || l.passed >= maxPassed && l.fresh.len() > 0 {
		return l.fresh.first()
	}
	return l.begun.first()
}

// take takes the ticket whose turn it is out of those that wait.
func (l *lane) take() *Ticket {
	t := l.oldest()
	switch {
	case !t.begun || l.fresh.len() == 0:
		l.passed = 0
	default:
		l.passed++
	}
	l.waiting(t.begun).remove(t)
	return t
}
