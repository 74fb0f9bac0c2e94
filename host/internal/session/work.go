package session

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/provisor/provisor/host/internal/observe"
	"github.com/provisor/provisor/host/internal/queue"
)

// work is one request, from the moment that it is admitted until its answer is ready. Its own goroutine runs the plugin; the session's
// may call stop and kill meanwhile.
type work struct {
	session *session
	request envelope // without its parts
	// raw is the Request as it came, until the plugin gets it.
	raw []byte
	// omitFiles: an Init that asks for no module files.
	omitFiles bool
	// next is where the request leads the session.
	next next

	// ctx is what the plugin runs under; end ends it, with the reason as its cause.
	ctx context.Context
	end context.CancelCauseFunc
	// handled is closed when the plugin has answered or failed, done when its programs are gone as well and answer is ready.
	handled, done chan struct{}
	answer        complete

	// ticket is the request's place among those that run; nil = there is room for all.
	ticket *queue.Ticket

	programs programs
	log      logBudget
	// keeper keeps the states of an apply; nil for other requests, and for an apply that was refused.
	keeper Keeper
	// canceled is what the plugin sees: somebody wants it to end.
	canceled atomic.Bool
	stopping sync.Once
	// stopped is closed when stop is called.
	stopped chan struct{}
	// reason is why stop was called; valid once canceled is true.
	reason  stopReason
	winding sync.WaitGroup

	// report is what observers are told.
	report *observe.Request
	// crashed and refused: the plugin has not answered, or was not asked; valid once done is closed.
	crashed, refused bool
	hits             hits
}

func newWork(s *session, request envelope, raw []byte, n next) *work {
	return &work{
		session:   s,
		request:   envelope{kind: request.kind},
		raw:       raw,
		omitFiles: request.kind == Init && request.bool(initOmitModuleFiles),
		next:      n,
		handled:   make(chan struct{}),
		done:      make(chan struct{}),
		stopped:   make(chan struct{}),
		log:       logBudget{left: s.Limits.GetLogBytes(), limited: s.Limits.GetLogBytes() > 0},
	}
}

// start begins the work in a goroutine of its own. The end of ctx does not end it: see stop and kill.
func (w *work) start(ctx context.Context) {
	w.ctx, w.end = context.WithCancelCause(context.WithoutCancel(ctx))
	go func() {
		defer close(w.done)
		defer w.end(nil)
		w.answer = w.run()
	}()
}

// run has the plugin handle the request, and returns the Complete to send.
func (w *work) run() complete {
	s := w.session
	if w.ticket != nil {
		defer w.ticket.Release()
	}
	if err := w.await(); err != nil {
		w.refused = true
		close(w.handled)
		w.stopping.Do(func() {})
		w.winding.Wait()
		return failure(w.request.kind, err.Error(), nil)
	}
	w.report.Began = time.Now()
	if limit := s.requestTimeout(); limit > 0 {
		deadline := time.AfterFunc(limit, func() { w.stop(stopDeadline) })
		defer deadline.Stop()
	}
	answer, err := w.handle()
	close(w.handled)
	w.programs.close()
	if w.keeper != nil {
		w.keeper.Finish()
	}
	// From here on stop does nothing any more; what it began is waited for.
	w.stopping.Do(func() {})
	w.winding.Wait()
	refused := (*refusal)(nil)
	isRefused := errors.As(err, &refused)
	if err != nil && !isRefused || s.FreshInstances {
		s.discard()
	}
	switch {
	case isRefused:
		w.refused = true
		return failure(w.request.kind, refused.Error(), nil)
	case err != nil:
		return w.failed(err)
	}
	return w.withState(w.explained(answer))
}

// handle runs the plugin. An error of it means that the instance is done for.
func (w *work) handle() (answer complete, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.session.Log.Error("panic while the plugin ran", "request", w.request.kind, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("the host failed while it ran: %v", p)
		}
	}()
	inst, err := w.instance()
	if err != nil {
		return complete{}, err
	}
	if err := w.keep(); err != nil {
		return complete{}, err
	}
	// Once the plugin has it, the host must not keep what may be a large archive for as long as the engine runs.
	raw := w.raw
	w.raw = nil
	response, err := inst.Handle(w.ctx, raw)
	w.report.CPU = inst.CPU()
	if err != nil {
		return complete{}, err
	}
	return parseComplete(w.request.kind, response)
}

// instance is the session's instance of the plugin, made where there is none: for the first request, and after a failure.
func (w *work) instance() (Instance, error) {
	s := w.session
	if s.dir == nil {
		dir, err := s.Directory(w.ctx)
		if err != nil {
			return nil, fmt.Errorf("make the session's directories: %w", err)
		}
		s.dir = dir
	}
	if s.inst == nil {
		inst, err := s.Instances.New(w.ctx, s.dir, s.host)
		if err != nil {
			return nil, fmt.Errorf("start an instance of it: %w", err)
		}
		s.inst = inst
	}
	return s.inst, nil
}

// failed is the Complete that the host writes because the plugin did not answer as it must; an ApplyComplete has the state.
func (w *work) failed(err error) complete {
	s, kind := w.session, w.request.kind
	w.crashed = true
	text := fmt.Sprintf("plugin %s: %v", s.Plugin, err)
	if cause := context.Cause(w.ctx); cause != nil {
		text = fmt.Sprintf("plugin %s: %s: %v", s.Plugin, kind, cause)
	}
	if limit := w.takeLimit(); limit != nil {
		text += fmt.Sprintf(" (%v)", limit)
	}
	if !errors.Is(context.Cause(w.ctx), errKilled) {
		s.Failed(text)
	}
	s.Log.Warn("the plugin failed", "request", kind, "error", err, "ended", context.Cause(w.ctx))
	return failure(kind, text, w.state())
}

// explained is the plugin's answer. Where a deadline or a limit on files or programs made it fail, that is named: the plugin can't know it.
func (w *work) explained(answer complete) complete {
	text, limit := answer.error(), w.takeLimit()
	if text == "" {
		return answer
	}
	if limit != nil {
		text += fmt.Sprintf(" (%v)", limit)
	}
	if w.canceled.Load() && w.reason == stopDeadline {
		text += fmt.Sprintf(" (%v)", w.deadlineError())
	}
	if text == answer.error() {
		return answer
	}
	return answer.withError(text)
}

// takeLimit is the limit on files or programs that was hit in this request, or nil.
func (w *work) takeLimit() error {
	if w.session.dir == nil {
		return nil
	}
	limit := w.session.dir.TakeLimit()
	w.hitOf(limit)
	return limit
}
