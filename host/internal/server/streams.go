package server

import (
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// streams counts the open sessions of a server.
type streams struct {
	mu     sync.Mutex
	open   int
	limit  int
	closed bool
	// empty is closed when no session is open and none can open any more.
	empty chan struct{}
}

func newStreams() *streams { return &streams{empty: make(chan struct{})} }

// setLimit changes how many sessions may be open. Those that are stay so.
func (s *streams) setLimit(limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = limit
}

// enter counts a session in, or says with a gRPC status why it may not open.
func (s *streams) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return status.Error(codes.Unavailable, errShutdown.Error())
	}
	if s.open >= s.limit {
		return status.Errorf(codes.ResourceExhausted, "%d sessions are open, the limit (setting %s)", s.open, settingStreams)
	}
	s.open++
	return nil
}

// leave counts a session out.
func (s *streams) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.announce()
}

// close lets no more sessions open. The channel is closed when the last one has ended.
func (s *streams) close() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.announce()
	}
	return s.empty
}

// closing says whether no sessions can open any more.
func (s *streams) closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

func (s *streams) announce() {
	if s.closed && s.open == 0 {
		close(s.empty)
	}
}
