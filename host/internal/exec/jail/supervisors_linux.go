package jail

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Supervisors keep the supervisor of a program that is gone for the next one, which may reach the same. So the programs of a session have the
// jail put up once. A second program at the same time has a supervisor of its own, and so has an apply.
type Supervisors struct {
	linger time.Duration
	ended  func(cpu time.Duration)

	mu   sync.Mutex
	idle *child // with a timer that ends it
}

// NewSupervisors keep a supervisor for so long. ended is told of the processor time of each that has ended, without its programs'.
func NewSupervisors(linger time.Duration, ended func(cpu time.Duration)) *Supervisors {
	return &Supervisors{linger: linger, ended: ended}
}

// End ends the supervisor that is kept, and returns when it is gone. nil has none.
func (s *Supervisors) End() error {
	if s == nil {
		return nil
	}
	return s.end(s.swap(nil))
}

// take returns the supervisor that is kept, if it is one for that room.
func (s *Supervisors) take(r *room) *child {
	if s == nil || r == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.idle
	if ch == nil || !ch.room.equal(r) {
		return nil
	}
	ch.idle.Stop()
	s.idle = nil
	return ch
}

// put keeps a supervisor whose program is gone, instead of another one, or ends it.
func (s *Supervisors) put(ch *child) error {
	if ch.room == nil {
		return s.end(ch)
	}
	return s.end(s.swap(ch))
}

// swap keeps a supervisor, or none, and returns the one that was kept.
func (s *Supervisors) swap(ch *child) *child {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.idle
	if s.idle = ch; ch != nil {
		ch.idle = time.AfterFunc(s.linger, func() { s.expire(ch) })
	}
	return before
}

// expire ends a supervisor if it is still kept. The lock is held so long that End does not return before.
func (s *Supervisors) expire(ch *child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle == ch {
		s.idle = nil
		_ = s.end(ch)
	}
}

// end ends a supervisor that has no program, if there is one.
func (s *Supervisors) end(ch *child) error {
	if ch == nil {
		return nil
	}
	if !ch.close() {
		return fmt.Errorf("jail: supervisor %d is still there %v after it was killed", ch.pid(), killTimeout)
	}
	return s.bury(ch)
}

// bury clears up after a supervisor that has ended.
func (s *Supervisors) bury(ch *child) error {
	err := ch.bury()
	if s != nil {
		s.ended(ch.cpu())
	}
	return err
}

// room is what programs have in common that one supervisor can serve.
type room struct {
	jail *Jail
	cell Cell
	// files are what lies at the cell's paths, and the system's: a mount or a rule stands for that, whatever comes to the path later.
	files []file
}

func (r *room) equal(o *room) bool {
	return r.jail == o.jail && reflect.DeepEqual(r.cell, o.cell) && slices.Equal(r.files, o.files)
}

// file is the identity of a file; the zero one is none.
type file struct{ device, inode uint64 }

// roomOf is the room of a program, nil where it must be alone with its supervisor: in an apply, and where it could reach the supervisor, which
// is then not to be trusted with another. That one has the network and another does not makes no difference.
func (j *Jail) roomOf(c *Command) *room {
	if c.Supervisors == nil || c.Keep != nil || !j.works[ProcessTree] {
		return nil
	}
	r := &room{jail: j, cell: c.Cell}
	r.cell.Offline = false
	for _, path := range slices.Concat(systemRead, c.Cell.Execute, c.Cell.Read, c.Cell.Write) {
		var stat unix.Stat_t
		if unix.Stat(path, &stat) != nil {
			stat = unix.Stat_t{}
		}
		r.files = append(r.files, file{stat.Dev, stat.Ino})
	}
	return r
}
