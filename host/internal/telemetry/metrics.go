package telemetry

import (
	"context"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/observe"
)

// metrics are what is counted. It is an observe.Observer. Labels have the operator's names (tenants, plugins) and words of our own: nobody
// else can make one.
type metrics struct {
	registry *prometheus.Registry

	sessions, requests, guestCPU, programs, limits, states, refused, reloads *prometheus.CounterVec
	open                                                                     *prometheus.GaugeVec
	requestTime, programTime                                                 *prometheus.HistogramVec
	wait                                                                     prometheus.Histogram
}

// buckets are upper bounds in seconds: from a parse to an apply of hours.
var buckets = []float64{.01, .03, .1, .3, 1, 3, 10, 30, 100, 300, 1000, 3600}

func newMetrics(version string, status func() (host.Status, bool)) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		sessions: counter("provisor_sessions_total", "Sessions that have ended, by how.", "tenant", "plugin", "outcome"),
		open:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "provisor_sessions_open", Help: "Sessions that are open."}, []string{"tenant"}),
		requests: counter("provisor_requests_total", "Requests that were answered, by how.", "tenant", "kind", "outcome"),
		requestTime: prometheus.NewHistogramVec(histogram("provisor_request_duration_seconds",
			"How long requests ran, from their turn to their answer."), []string{"kind"}),
		wait:     prometheus.NewHistogram(histogram("provisor_queue_wait_seconds", "How long requests waited for their turn.")),
		guestCPU: counter("provisor_guest_cpu_seconds_total", "Processor time of plugins themselves, without the programs that they run.", "tenant", "plugin"),
		programs: counter("provisor_program_runs_total", "Runs of the engine, by its command and how they ended.", "command", "outcome"),
		programTime: prometheus.NewHistogramVec(histogram("provisor_program_duration_seconds",
			"How long runs of the engine took."), []string{"command"}),
		limits:  counter("provisor_limit_hits_total", "Requests and sessions that ran into a limit or quota, by its setting.", "tenant", "limit"),
		states:  counter("provisor_states_total", "States of applies that reached the client (delivered), or are kept since nothing says so (kept).", "tenant", "result"),
		refused: counter("provisor_streams_refused_total", "Streams that were refused before they were a tenant's session.", "reason"),
		reloads: counter("provisor_reloads_total", "Reloads of the configuration; a failed one has changed nothing.", "outcome"),
	}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "provisor_build_info", Help: "Always 1; what is running is in the labels.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	}, func() float64 { return 1 })
	m.registry.MustRegister(build, m.sessions, m.open, m.requests, m.requestTime, m.wait, m.guestCPU, m.programs, m.programTime, m.limits,
		m.states, m.refused, m.reloads, newStatusCollector(status),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// An alert on what has never happened needs a zero to begin with.
	for _, outcome := range []string{"ok", "failed"} {
		m.reloads.WithLabelValues(outcome)
	}
	for _, reason := range Reasons {
		m.refused.WithLabelValues(reason)
	}
	return m
}

// Reasons are those for which streams are refused before they are a tenant's.
var Reasons = []string{"unauthenticated", "max_streams", "draining"}

// Begin implements observe.Observer.
func (m *metrics) Begin(ctx context.Context, a observe.Activity) context.Context {
	if s, ok := a.(*observe.Session); ok && s.ID != "" {
		m.open.WithLabelValues(s.Tenant).Inc()
	}
	return ctx
}

// End implements observe.Observer.
func (m *metrics) End(_ context.Context, a observe.Activity) {
	switch a := a.(type) {
	case *observe.Session:
		m.session(a)
	case *observe.Request:
		m.request(a)
	case *observe.Program:
		m.programs.WithLabelValues(a.Command, a.Outcome).Inc()
		m.programTime.WithLabelValues(a.Command).Observe(a.Ended.Sub(a.Began).Seconds())
	}
}

func (m *metrics) session(s *observe.Session) {
	if s.ID != "" {
		m.open.WithLabelValues(s.Tenant).Dec()
	}
	m.sessions.WithLabelValues(s.Tenant, s.Plugin, s.Class).Inc()
	if s.Limit != "" {
		m.limits.WithLabelValues(s.Tenant, s.Limit).Inc()
	}
	for result, n := range map[string]int{"delivered": s.Delivered, "kept": s.Kept} {
		m.states.WithLabelValues(s.Tenant, result).Add(float64(n))
	}
}

func (m *metrics) request(r *observe.Request) {
	tenant := r.Session.Tenant
	m.requests.WithLabelValues(tenant, r.Kind, r.Outcome).Inc()
	m.guestCPU.WithLabelValues(tenant, r.Session.Plugin).Add(r.CPU.Seconds())
	began := r.Began
	if began.IsZero() {
		began = r.Ended
	} else {
		m.requestTime.WithLabelValues(r.Kind).Observe(r.Ended.Sub(began).Seconds())
	}
	m.wait.Observe(max(began.Sub(r.Asked), time.Duration(0)).Seconds())
	for _, limit := range r.Limits {
		m.limits.WithLabelValues(tenant, limit).Inc()
	}
}

// statusCollector exports how the runtime stands at the moment of a scrape.
type statusCollector struct {
	status func() (host.Status, bool)

	slots, running, waiting, instances, kept, rescued, free, floor, supervisors *prometheus.Desc
}

func newStatusCollector(status func() (host.Status, bool)) *statusCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &statusCollector{
		status:      status,
		slots:       desc("provisor_queue_slots", "Requests that may run at once."),
		running:     desc("provisor_queue_running", "Requests that run.", "tenant"),
		waiting:     desc("provisor_queue_waiting", "Requests that wait for their turn.", "tenant"),
		instances:   desc("provisor_instances", "Instances of plugins."),
		kept:        desc("provisor_states_kept", "Records of applies that wait for provisor recover."),
		rescued:     desc("provisor_states_rescued_total", "States that dead daemons had left and this one has kept."),
		free:        desc("provisor_disk_free_bytes", "What is free where states are kept."),
		floor:       desc("provisor_disk_free_floor_bytes", "What must be free for an apply to begin (setting min_free)."),
		supervisors: desc("provisor_supervisor_cpu_seconds_total", "Processor time of the supervisors of engine runs, without the engines."),
	}
}

// Describe implements prometheus.Collector.
func (c *statusCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.slots, c.running, c.waiting, c.instances, c.kept, c.rescued, c.free, c.floor, c.supervisors} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *statusCollector) Collect(to chan<- prometheus.Metric) {
	s, ok := c.status()
	if !ok {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(c.slots, float64(s.Slots))
	for tenant, t := range s.Tenants {
		gauge(c.running, float64(t.Running), tenant)
		gauge(c.waiting, float64(t.Waiting), tenant)
	}
	gauge(c.instances, float64(s.Instances))
	gauge(c.kept, float64(s.Kept))
	to <- prometheus.MustNewConstMetric(c.rescued, prometheus.CounterValue, float64(s.Rescued))
	if s.FreeKnown {
		gauge(c.free, float64(s.Free))
	}
	gauge(c.floor, float64(s.MinFree))
	to <- prometheus.MustNewConstMetric(c.supervisors, prometheus.CounterValue, s.SupervisorCPU.Seconds())
}
