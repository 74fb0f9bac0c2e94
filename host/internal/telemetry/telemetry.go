// Package telemetry shows what a daemon does to those who watch it from outside: metrics for Prometheus, and whether it is well, over HTTP.
package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/observe"
	"github.com/provisor/provisor/host/internal/server/endpoint"
)

// Options of a Telemetry.
type Options struct {
	// Listen is unix:PATH or HOST:PORT.
	Listen string
	// Insecure lets others than this machine reach it: nobody is asked who they are.
	Insecure bool
	// Version is the daemon's.
	Version string
	// Log is the daemon's log.
	Log *slog.Logger
}

// Telemetry counts what sessions do, and serves that.
type Telemetry struct {
	metrics  *metrics
	log      *slog.Logger
	listener net.Listener
	unlisten func() error
	http     *http.Server
	done     chan error
	watched  atomic.Pointer[Watched]
}

// Watched is what is asked whenever somebody looks.
type Watched struct {
	// Status is how the runtime stands.
	Status func() host.Status
	// Ready says what keeps new sessions from working; none = they do.
	Ready func() []string
}

// Of is what is asked of a runtime and of the server in front of it.
func Of(r *host.Runtime, s interface{ Ready() error }) Watched {
	return Watched{Status: r.Status, Ready: func() []string {
		problems := r.Ready()
		if err := s.Ready(); err != nil {
			problems = append(problems, "server: "+err.Error())
		}
		return problems
	}}
}

// CheckAddress says what is wrong with an address to listen on.
func CheckAddress(address string, insecure bool) error {
	e, err := endpoint.Parse(address)
	if err == nil && !insecure && !e.Loopback() {
		err = fmt.Errorf("whoever reaches %s could read the names of tenants and plugins, and how busy they are: "+
			"listen on localhost, or say insecure = true in the telemetry block of a configuration", address)
	}
	return err
}

// Start listens and serves until Close is called. Until Watch is called the daemon is not ready.
func Start(o Options) (*Telemetry, error) {
	if err := CheckAddress(o.Listen, o.Insecure); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	e, err := endpoint.Parse(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	t := &Telemetry{log: o.Log, done: make(chan error, 1)}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	t.metrics = newMetrics(o.Version, t.status)
	if t.listener, t.unlisten, err = e.Listen(); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	t.http = &http.Server{
		Handler: t.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(t.log.Handler(), slog.LevelDebug),
	}
	go func() { t.done <- t.http.Serve(t.listener) }()
	t.log.Info("metrics and health", "address", t.Address())
	return t, nil
}

// Address is where it listens, with the port that the system chose if it was to.
func (t *Telemetry) Address() string { return t.listener.Addr().String() }

// Observer is told what is to be counted.
func (t *Telemetry) Observer() observe.Observer { return t.metrics }

// Watch says what is asked whenever somebody looks.
func (t *Telemetry) Watch(w Watched) { t.watched.Store(&w) }

// Refused counts a stream that was refused, by one of Reasons.
func (t *Telemetry) Refused(reason string) { t.metrics.refused.WithLabelValues(reason).Inc() }

// Reloaded counts a reload of the configuration.
func (t *Telemetry) Reloaded(err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	t.metrics.reloads.WithLabelValues(outcome).Inc()
}

// Close ends the serving.
func (t *Telemetry) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if t.http.Shutdown(ctx) != nil {
		_ = t.http.Close()
	}
	err := <-t.done
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, t.unlisten())
}

func (t *Telemetry) status() (host.Status, bool) {
	if w := t.watched.Load(); w != nil {
		return w.Status(), true
	}
	return host.Status{}, false
}

// maxScrapes is how many may be answered at once.
const maxScrapes = 4

func (t *Telemetry) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(t.metrics.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes, ErrorLog: slog.NewLogLogger(t.log.Handler(), slog.LevelWarn),
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, health{OK: true}) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, t.ready()) })
	return mux
}

// health is what is answered to who asks how the daemon is.
type health struct {
	OK       bool     `json:"ok"`
	Problems []string `json:"problems,omitempty"`
}

func (t *Telemetry) ready() health {
	w := t.watched.Load()
	if w == nil {
		return health{Problems: []string{"the daemon is starting"}}
	}
	problems := w.Ready()
	return health{OK: len(problems) == 0, Problems: problems}
}

func answer(w http.ResponseWriter, h health) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !h.OK {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	// A client that has gone misses it.
	_ = json.NewEncoder(w).Encode(h)
}
