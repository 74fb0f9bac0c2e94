package sandbox

import "time"

// meter measures how long a guest itself runs on behalf of one request. Neither host functions count, nor waiting for its turn when it
// yields.
type meter struct {
	limit time.Duration
	used  time.Duration

	running bool
	by      precision
	// since is when the stretch began, or the pause.
	since time.Time
	// thread is the thread's processor time as the stretch began, and negative where it was not asked for.
	thread time.Duration
}

// precision says by which clock a stretch is measured.
type precision bool

const (
	// exactly goes by the processor time of the thread, where there is such a clock: on a busy machine much less than what passes.
	// Asking for it costs a system call.
	exactly precision = true
	// roughly goes by the time that passes. It is for the return from host functions, which may be many, and for no longer than until
	// the guest yields next.
	roughly precision = false
)

// run begins a stretch in the guest.
func (m *meter) run(p precision) {
	m.running, m.by, m.since, m.thread = true, p, time.Now(), -1
	if p == exactly {
		m.thread = threadTime()
	}
}

// pause ends it, if there is one.
func (m *meter) pause() {
	if !m.running {
		return
	}
	m.running = false
	now := time.Now()
	took := now.Sub(m.since)
	m.since = now
	if m.thread >= 0 {
		// A goroutine may have changed threads on the way into the guest. Then the difference says nothing.
		if exact := threadTime() - m.thread; exact >= 0 && exact < took {
			took = exact
		}
	}
	m.used += took
}

func (m *meter) exhausted() bool { return m.used > m.limit }
