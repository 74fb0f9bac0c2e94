package session

import (
	"context"
	"errors"
	"time"

	"github.com/provisor/provisor/host/internal/tenant"
)

// Summary is what a session came to. It has nothing in it that a client, a template or an engine has said.
type Summary struct {
	// Outcome is "ok", or why the session ended otherwise: "violation RULE", "quota SETTING", "killed", "canceled", "lost".
	Outcome string
	// Requests is how many requests there were of each kind; Failures how many were answered with an error.
	Requests map[string]int
	Failures int
	// ProgramRuns is how many programs were started.
	ProgramRuns uint64
	// Duration is the session's, Waited how much of it its requests have waited for their turn.
	Duration, Waited time.Duration
	// Received and Sent are bytes of messages.
	Received, Sent int64
}

// OutcomeOf is the outcome of a session that ended so.
func OutcomeOf(err error) string {
	var violation *Violation
	var quota *tenant.QuotaError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &violation):
		return "violation " + violation.Rule
	case errors.As(err, &quota):
		return "quota " + quota.Setting
	case errors.Is(err, ErrKill):
		return "killed"
	case errors.Is(err, context.Canceled), errors.Is(err, errEnded):
		return "canceled"
	}
	return "lost"
}

// end tells what the session came to.
func (s *session) end(err error, began time.Time) {
	m := Summary{
		Outcome: OutcomeOf(err), Requests: s.requests, Failures: s.failures, ProgramRuns: s.runs,
		Duration: time.Since(began), Waited: s.waited, Received: s.received, Sent: s.out.sentBytes.Load(),
	}
	if err != nil {
		s.Log.Debug("the session's end", "reason", err)
	}
	if s.Ended != nil {
		s.Ended(m)
		return
	}
	s.Log.Info("session ended", "outcome", m.Outcome, "requests", m.Requests, "failures", m.Failures, "duration", m.Duration, "waited", m.Waited)
}
