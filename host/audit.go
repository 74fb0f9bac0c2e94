package host

import (
	"strings"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/session"
)

// audit leaves a session's line: whose it was, what it ran, and what it came to. Nothing that a client or a template has said is in it.
func (p *profile) audit(id string, plugin *plugin.Plugin, engine string, m session.Summary) {
	log := p.options.Audit
	if log == nil {
		log = p.options.Log
	}
	args := []any{"session", id, "tenant", p.tenant.Name()}
	if plugin != nil {
		args = append(args, "plugin", plugin.Name, "version", plugin.Version, "sha256", plugin.Digest, "engine", engine)
	}
	log.Info("session ended", append(args,
		"outcome", m.Outcome, "requests", m.Requests, "failures", m.Failures, "program_runs", m.ProgramRuns,
		"duration", m.Duration, "waited", m.Waited, "bytes_received", m.Received, "bytes_sent", m.Sent)...)
}

// refused leaves the line of a session that was not begun.
func (p *profile) refused(err error) {
	p.audit("", nil, "", session.Summary{Outcome: session.OutcomeOf(err)})
}

// engineName is the engine and its version, or empty.
func (u use) engineName() string { return strings.TrimSpace(u.engine.Name + " " + u.engine.Version) }
