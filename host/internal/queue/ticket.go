package queue

import "container/list"

// Ticket is a piece of work that has a slot, or waits for one.
type Ticket struct {
	queue *Queue
	lane  *lane
	begun bool
	ready chan struct{}
	// The queue's lock guards what follows. turn is the ticket's place among those that wait.
	turn  uint64
	place *list.Element
	holds bool
}

// Ready is closed once the work has its slot.
func (t *Ticket) Ready() <-chan struct{} { return t.ready }

// Release gives the slot back, or stops waiting for one. It may be called again.
func (t *Ticket) Release() {
	q, l := t.queue, t.lane
	q.mu.Lock()
	defer q.mu.Unlock()
	q.advance()
	switch {
	case t.holds:
		t.holds = false
		q.catchUp(l)
		q.used--
		l.used--
		q.dispatch()
	case t.place != nil:
		l.waiting(t.begun).remove(t)
	}
	q.tidy(l)
}

// Wait is why a ticket waits.
type Wait struct {
	// Ahead is how much of the tenant's own work comes before it.
	Ahead int
	// Used is how many slots are held, and Limit how many there are: the tenant's where Own is set, otherwise all.
	Used, Limit int
	Own         bool
}

// Wait says why the ticket waits just now.
func (t *Ticket) Wait() Wait {
	q, l := t.queue, t.lane
	q.mu.Lock()
	defer q.mu.Unlock()
	w := Wait{Used: q.used, Limit: q.slots}
	if !l.mayRun() {
		w = Wait{Used: l.used, Limit: l.share.Concurrency, Own: true}
	}
	for e := t.place; e != nil && e.Prev() != nil; e = e.Prev() {
		w.Ahead++
	}
	if !t.begun {
		w.Ahead += l.begun.len()
	}
	return w
}

// fifo are tickets in the order in which they came.
type fifo struct{ list list.List }

func (f *fifo) len() int { return f.list.Len() }

func (f *fifo) add(t *Ticket) { t.place = f.list.PushBack(t) }

func (f *fifo) remove(t *Ticket) {
	f.list.Remove(t.place)
	t.place = nil
}

func (f *fifo) first() *Ticket {
	if e := f.list.Front(); e != nil {
		return e.Value.(*Ticket)
	}
	return nil
}
