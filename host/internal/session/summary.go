package session

import (
	"context"
	"errors"
	"time"

	"github.com/provisor/provisor/host/internal/tenant"
)

// Summary is what a session came to. It has nothing in it that a client, a template or an engine has said.
type Summary struct {
	// Outcome is "ok", or why the session ended otherwise: "violation RULE", "quota SETTING", "killed", "stopped" (by an operator), "canceled",
	// "lost".
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
	// Steps are its requests in their order, the first maxSteps of them.
	Steps []Step
	// Delivered and Kept count the states of applies that reached the client, and those that nothing says did.
	Delivered, Kept int
	// Limit is the setting of the limit or quota that ended the session; empty = none did.
	Limit string
}

// Step is what became of one request.
type Step struct {
	Request string `json:"request"`
	// Outcome is one of observe's.
	Outcome string `json:"outcome"`
	// Seconds is how long it ran, Waited how many seconds it waited for its turn before.
	Seconds float64 `json:"seconds"`
	Waited  float64 `json:"waited,omitempty"`
	// Programs is how many programs it started.
	Programs uint64 `json:"programs,omitempty"`
}

// maxSteps bounds what a session is remembered by: a client may send any number of requests.
const maxSteps = 100

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
	case errors.Is(err, ErrOperator):
		return "stopped"
	case errors.Is(err, context.Canceled), errors.Is(err, errEnded):
		return "canceled"
	}
	return "lost"
}

// LimitOf is the setting of the limit or quota that ended a session; empty = none did.
func LimitOf(err error) string {
	var quota *tenant.QuotaError
	var violation *Violation
	switch {
	case errors.As(err, &quota):
		return quota.Setting
	case errors.As(err, &violation) && violation.Rule == ruleKeepReading.name:
		return settingSendTimeout
	}
	return ""
}

// end tells what the session came to.
func (s *session) end(err error, began time.Time) {
	m := Summary{
		Outcome: OutcomeOf(err), Requests: s.requests, Failures: s.failures, ProgramRuns: s.runs,
		Duration: time.Since(began), Waited: s.waited, Received: s.received, Sent: s.out.sentBytes.Load(),
		Steps: s.steps, Delivered: s.delivered, Kept: s.kept, Limit: LimitOf(err),
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
