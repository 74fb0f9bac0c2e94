package host

import (
	"context"
	"strings"
	"time"

	"github.com/provisor/provisor/host/internal/observe"
	"github.com/provisor/provisor/host/internal/session"
)

// observed has observers see the session that run is.
func (u use) observed(ctx context.Context, id string, cancel func(), run func(context.Context, *observe.Session) error) error {
	s := &observe.Session{
		ID: id, Tenant: u.tenant.Name(), Plugin: u.plugin.Name, Version: u.plugin.Version, Digest: u.plugin.Digest, Engine: u.engineName(),
		Began: time.Now(), Cancel: cancel,
	}
	ctx = u.options.Observer.Begin(ctx, s)
	err := run(ctx, s)
	u.options.Observer.End(ctx, s)
	return err
}

// ended completes what observers get of a session, and leaves its line.
func (p *profile) ended(s *observe.Session, m session.Summary) {
	s.Ended, s.Outcome, s.Limit, s.Delivered, s.Kept = time.Now(), m.Outcome, m.Limit, m.Delivered, m.Kept
	s.Class, _, _ = strings.Cut(m.Outcome, " ")
	p.audit(s, m)
}

// refused is a session that was not begun.
func (p *profile) refused(ctx context.Context, outcome, limit string) {
	s := &observe.Session{Tenant: p.tenant.Name(), Began: time.Now(), Cancel: func() {}}
	ctx = p.options.Observer.Begin(ctx, s)
	p.ended(s, session.Summary{Outcome: outcome, Limit: limit})
	p.options.Observer.End(ctx, s)
}

// audit leaves a session's line: whose it was, what it ran, and what it came to. Nothing that a client or a template has said is in it.
func (p *profile) audit(s *observe.Session, m session.Summary) {
	log := p.options.Audit
	if log == nil {
		log = p.options.Log
	}
	args := []any{"session", s.ID, "tenant", s.Tenant}
	if s.ID != "" {
		args = append(args, "plugin", s.Plugin, "version", s.Version, "sha256", s.Digest, "engine", s.Engine)
	}
	log.Info("session ended", append(args,
		"outcome", m.Outcome, "requests", m.Requests, "failures", m.Failures, "program_runs", m.ProgramRuns, "steps", m.Steps,
		"states_delivered", m.Delivered, "states_kept", m.Kept,
		"duration", m.Duration, "waited", m.Waited, "bytes_received", m.Received, "bytes_sent", m.Sent)...)
}

// engineName is the engine and its version, or empty.
func (u use) engineName() string { return strings.TrimSpace(u.engine.Name + " " + u.engine.Version) }
