// Package server offers sessions over gRPC: the protocol's service with its bytes as they come, health and reflection, to whom the
// listeners let in. It doesn't know what a request does.
package server

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/health"

	"github.com/provisor/provisor/host/internal/access"
	"github.com/provisor/provisor/host/internal/server/raw"
	"github.com/provisor/provisor/host/internal/session"
	// Its descriptor is what reflection shows.
	_ "github.com/provisor/provisor/proto/provisionerpb"
)

// Server serves sessions over gRPC.
type Server struct {
	options atomic.Pointer[Options]
	access  atomic.Pointer[access.List]
	session Session
	health  *health.Server
	streams *streams
	// sessions is what sessions run under; cancel ends them all.
	sessions context.Context
	cancel   context.CancelCauseFunc
	// calls are the Recv and Send of streams. They end with their streams, soon after the handlers.
	calls sync.WaitGroup

	mu sync.Mutex
	// open are the listeners that take connections, retired those that no longer do but may have sessions.
	open, retired []*listener
	// serving is set by Serve, ended by its end or by a Close in its place.
	serving, ended bool
	// broken gets what made a listener fail.
	broken chan error
	// serves are the goroutines of listeners.
	serves sync.WaitGroup
}

// errShutdown is why the server ends sessions.
var errShutdown = errors.New("the server is shutting down")

// Listen opens the listeners. Clients can connect from now on; they are served by Serve, which must be called.
func Listen(o Options, s Session) (*Server, error) {
	srv := &Server{session: s, health: health.NewServer(), streams: newStreams(), broken: make(chan error, 1)}
	srv.sessions, srv.cancel = context.WithCancelCause(context.Background())
	srv.setHealth(o.Health)
	srv.setHealth(map[string]bool{raw.Service: true})
	change, err := srv.Prepare(o)
	if err != nil {
		srv.cancel(err)
		return nil, err
	}
	change.Commit()
	return srv, nil
}

// Addresses are where the server listens, as clients dial them; with the port that the system chose, if it was to choose one.
func (s *Server) Addresses() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	addresses := make([]string, len(s.open))
	for i, l := range s.open {
		addresses[i] = l.address()
	}
	return addresses
}

// Serve serves until ctx ends and then drains: health says NOT_SERVING, new streams are refused, open sessions may end within the drain
// timeout and are canceled then. It returns when all of them have ended. It is to be called once.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.begin(); err != nil {
		return err
	}
	var err error
	select {
	case err = <-s.broken:
	case <-ctx.Done():
	case <-s.sessions.Done():
	}
	s.drain()
	err = errors.Join(err, s.stop())
	s.calls.Wait()
	return err
}

// begin has the listeners serve what connects to them.
func (s *Server) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving || s.ended {
		return errors.New("serve: the server was closed or is being served already")
	}
	s.serving = true
	for _, l := range s.open {
		s.serve(l)
	}
	return nil
}

// Ready says why the server takes no new sessions; nil = it does.
func (s *Server) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.serving || s.ended || s.streams.closing() {
		return errors.New("the server is starting, or coming to its end")
	}
	return nil
}

// Close ends all sessions at once, without the time to finish that the end of Serve's context gives them, and with them Serve. A
// server that was not served yet won't be.
func (s *Server) Close() error {
	s.cancel(session.ErrKill)
	s.mu.Lock()
	serving := s.serving
	s.ended = true
	s.mu.Unlock()
	if serving {
		return nil
	}
	return s.stop()
}

// drain returns when no session is open any more.
func (s *Server) drain() {
	s.health.Shutdown()
	empty := s.streams.close()
	o := s.options.Load()
	timeout := time.NewTimer(o.DrainTimeout)
	defer timeout.Stop()
	select {
	case <-empty:
	case <-s.sessions.Done():
	case <-timeout.C:
		if n := s.streams.count(); n > 0 {
			o.Log.Warn("canceling the sessions that are still open", "sessions", n, "drain_timeout", o.DrainTimeout)
		}
	}
	s.cancel(errShutdown)
	<-empty
}

// flushTime is how long the last statuses of streams may take to their clients.
const flushTime = time.Second

// stop closes the connections. No session is open; those who watch the server's health may still be connected.
func (s *Server) stop() error {
	s.mu.Lock()
	s.ended = true
	open, all := s.open, append(s.open, s.retired...)
	s.open, s.retired = nil, nil
	s.mu.Unlock()
	hurry := time.AfterFunc(flushTime, func() {
		for _, l := range all {
			l.grpc.Stop()
		}
	})
	defer hurry.Stop()
	var stopping sync.WaitGroup
	var errs []error
	for _, l := range open {
		stopping.Go(l.grpc.GracefulStop)
	}
	stopping.Wait()
	for _, l := range open {
		errs = append(errs, l.close())
	}
	s.serves.Wait()
	return errors.Join(errs...)
}
