package session

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/provisor/provisor/host/internal/observe"
)

// hits are the settings of the limits that a request has run into.
type hits struct {
	mu       sync.Mutex
	settings []string
}

// hit notes that the request has run into a limit.
func (w *work) hit(setting string) {
	w.hits.mu.Lock()
	defer w.hits.mu.Unlock()
	if !slices.Contains(w.hits.settings, setting) {
		w.hits.settings = append(w.hits.settings, setting)
	}
}

// hitOf notes the limit that is behind an error, if one is.
func (w *work) hitOf(err error) {
	var limited observe.Limited
	if errors.As(err, &limited) && limited.LimitSetting() != "" {
		w.hit(limited.LimitSetting())
	}
}

// observe tells observers that the request begins. What belongs to it goes on with the context that it returns.
func (w *work) observe(ctx context.Context) context.Context {
	w.report = &observe.Request{Session: w.session.Report, Kind: w.request.kind.String(), Asked: time.Now()}
	return w.session.Observer.Begin(ctx, w.report)
}

// observed tells them how it ended. It is done.
func (w *work) observed(ctx context.Context) {
	s, r := w.session, w.report
	r.Ended, r.Outcome, r.Runs = time.Now(), w.outcome(), w.programs.count()
	w.hits.mu.Lock()
	r.Limits = w.hits.settings
	w.hits.mu.Unlock()
	if len(s.steps) < maxSteps {
		s.steps = append(s.steps, stepOf(r))
	}
	s.Observer.End(ctx, r)
}

func (w *work) outcome() string {
	switch {
	case w.answer.error() == "":
		return observe.OK
	case w.canceled.Load() && w.reason == stopDeadline:
		return observe.Timeout
	case w.canceled.Load():
		return observe.Canceled
	case w.refused:
		return observe.Refused
	case w.crashed:
		return observe.Crashed
	}
	return observe.Failed
}

func stepOf(r *observe.Request) Step {
	s := Step{Request: r.Kind, Outcome: r.Outcome, Programs: r.Runs}
	began := r.Began
	if began.IsZero() {
		began = r.Ended
	}
	s.Seconds, s.Waited = seconds(r.Ended.Sub(began)), seconds(began.Sub(r.Asked))
	return s
}

// seconds are rounded to milliseconds.
func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// command is what a run with these arguments is called.
func (p Program) command(args []string) string {
	if p.Command == nil {
		return "run"
	}
	return p.Command(args)
}

// ranProgram tells observers how a program ended, which it has.
func (w *work) ranProgram(ctx context.Context, run *observe.Program, p Process) {
	result, err := p.Wait(context.WithoutCancel(ctx))
	run.Ended = time.Now()
	switch {
	case err != nil:
		run.Outcome = observe.Killed
	case result.GetKilledBy() != "":
		run.Outcome = observe.Killed
	case result.GetExitCode() != 0 || result.GetSignal() != "":
		run.Outcome = observe.Failed
	default:
		run.Outcome = observe.OK
	}
	if at := result.GetEndedAt(); at.IsValid() {
		run.Ended = at.AsTime()
	}
	w.session.Observer.End(ctx, run)
}
