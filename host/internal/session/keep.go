package session

import (
	"fmt"
	"time"
)

// An answer counts as delivered when the client shows that it has read it: by a request or a half-close that comes after it. gRPC itself
// acknowledges nothing, and that a message was sent says little: the client may be gone before it gets there. A Cancel is no
// sign, as it may have been sent before the answer came.

// unconfirmed is an ApplyComplete that was sent.
type unconfirmed struct {
	keeper Keeper
	state  []byte
	// sent is when its sending began.
	sent time.Time
}

// keep begins to keep the states of an apply. With an error the apply is refused.
func (w *work) keep() (err error) {
	if w.request.kind != Apply {
		return nil
	}
	if w.keeper, err = w.session.dir.Keep(w.raw); err != nil {
		w.session.Log.Warn("an apply was refused", "error", err)
		w.hitOf(err)
		return &refusal{fmt.Errorf("apply: %w", err)}
	}
	return nil
}

// withState is the answer to an apply, with the newest complete state if it came without any: a state that an engine has left half written
// is no answer, and the one before is still good.
func (w *work) withState(answer complete) complete {
	if len(answer.bytes(applyState)) > 0 {
		return answer
	}
	state := w.state()
	if len(state) == 0 {
		return answer
	}
	w.session.Log.Warn("the answer to an apply came without a state: the newest complete one that the engine had written goes with it")
	return wrap(answer.kind, answer.with(applyState, state)...)
}

// state is the newest complete state of a finished apply, or nil.
func (w *work) state() []byte {
	if w.keeper == nil {
		return nil
	}
	return w.keeper.State()
}

// settle says what became of an apply's answer: err is why it was not sent.
func (s *session) settle(w *work, sent time.Time, err error) {
	if w.keeper == nil {
		return
	}
	if err != nil {
		s.countKept(w.answer.bytes(applyState))
		s.logged(w.keeper.Keep(fmt.Sprintf("the answer was not sent: %v", err)))
		return
	}
	s.unconfirmed = &unconfirmed{keeper: w.keeper, state: w.answer.bytes(applyState), sent: sent}
}

// confirm takes what the client has sent for a sign that it has read the answer before, if it is one.
func (s *session) confirm(k Kind, received time.Time) {
	u := s.unconfirmed
	if u == nil || k == Cancel || received.Before(u.sent) {
		return
	}
	s.unconfirmed = nil
	if len(u.state) > 0 {
		s.delivered++
	}
	s.logged(u.keeper.Confirm(u.state))
}

// abandon keeps the states of an apply whose answer was sent and not confirmed.
func (s *session) abandon(end error) {
	u := s.unconfirmed
	if u == nil {
		return
	}
	s.unconfirmed = nil
	why := "the client had closed its side before the answer was sent"
	if end != nil {
		why = end.Error()
	}
	s.countKept(u.state)
	s.logged(u.keeper.Keep("the answer was sent, and nothing says that the client has it: " + why))
}

// countKept counts a state that is kept, if there is one.
func (s *session) countKept(state []byte) {
	if len(state) > 0 {
		s.kept++
	}
}

func (s *session) logged(err error) {
	if err != nil {
		s.Log.Error("keep the state of an apply", "error", err)
	}
}

// refusal is why the host did not let an apply begin.
type refusal struct{ error }
