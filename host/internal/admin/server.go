// Package admin is the daemon's side for its operator: HTTP with JSON over a unix socket that only this user can open, and a client of
// it. It doesn't know what the daemon does otherwise: whoever has something to offer an operator hangs it on a Server.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/provisor/provisor/host/internal/server/endpoint"
)

// Server answers an operator's requests.
type Server struct {
	socket   string
	log      *slog.Logger
	mux      *http.ServeMux
	listener net.Listener
	unlisten func() error
}

// Listen opens the socket, with mode 0600. Clients can connect from now on; they are served by Serve, which must be called. An error that
// wraps endpoint.ErrInUse means that another daemon has the socket.
func Listen(socket string, log *slog.Logger) (*Server, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{socket: socket, log: log, mux: http.NewServeMux()}
	s.mux.Handle("/", Handler(func(http.ResponseWriter, *http.Request) (any, error) {
		return nil, &Error{Status: http.StatusNotFound, Text: "there is no such request; this daemon may be of another version"}
	}))
	var err error
	if s.listener, s.unlisten, err = (endpoint.Endpoint{Network: "unix", Address: socket}).Listen(); err != nil {
		return nil, err
	}
	return s, nil
}

// Socket is the socket's path.
func (s *Server) Socket() string { return s.socket }

// Handle has requests that match the pattern, in the form of http.ServeMux, answered by h. It is to be called before Serve.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// The most that a client may take its time for, and the largest header that it may send.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = time.Minute
	maxHeader     = 64 << 10
)

// endTime is how long requests may go on after the end of Serve's context, which ends their own as well.
const endTime = 5 * time.Second

// Serve answers requests until ctx ends. It returns when the last one has been answered. It is to be called once.
func (s *Server) Serve(ctx context.Context) error {
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	server := &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.listener) }()
	var err error
	select {
	case err = <-served:
		served <- err
	case <-ctx.Done():
		err = http.ErrServerClosed
	}
	cancel()
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer stop()
	if server.Shutdown(end) != nil {
		_ = server.Close()
	}
	<-served
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	if err = errors.Join(err, s.unlisten()); err != nil {
		return fmt.Errorf("serve the admin socket %s: %w", s.socket, err)
	}
	return nil
}

// Close frees a server that was not served.
func (s *Server) Close() error { return errors.Join(s.listener.Close(), s.unlisten()) }
