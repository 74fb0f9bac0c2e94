package session

import (
	"errors"
	"fmt"
	"time"
)

// stopReason is why work is asked to end, as ExecResult.killed_by says it.
type stopReason string

const (
	stopCanceled stopReason = "cancel"
	stopDeadline stopReason = "deadline"
)

var errKilled = errors.New("canceled: the session was killed")

// stop asks the work to end and returns at once. Its programs get an interrupt; those that are still there after the exit timeout are
// killed. Then the plugin has the grace period to answer; then it is ended. Only the first stop counts.
func (w *work) stop(reason stopReason) {
	w.stopping.Do(func() {
		w.reason = reason
		w.canceled.Store(true)
		close(w.stopped)
		if reason == stopDeadline {
			w.hit(settingRequestTime)
		}
		w.session.Log.Debug("the request is to end", "request", w.request.kind, "reason", reason)
		w.winding.Go(w.windDown)
	})
}

// kill ends programs and plugin at once.
func (w *work) kill() {
	w.stop(stopCanceled)
	w.programs.kill(string(stopCanceled))
	w.end(errKilled)
}

// windDown takes the work from its cancellation to its end.
func (w *work) windDown() {
	running := w.programs.interrupt()
	if w.reason == stopDeadline && w.programs.count() == 0 {
		// It only computed: there is nothing that an answer would save.
		w.end(w.deadlineError())
		return
	}
	if !w.exited(running) {
		w.hit(settingExitTimeout)
		w.programs.kill(string(w.reason))
	}
	w.grace()
}

// exited waits for the programs to end: false = the exit timeout passed first.
func (w *work) exited(running []*program) bool {
	timeout := time.NewTimer(w.session.ExitTimeout)
	defer timeout.Stop()
	for _, p := range running {
		select {
		case <-p.ended:
		case <-p.done:
		case <-w.handled:
			return true
		case <-timeout.C:
			return false
		}
	}
	return true
}

// grace gives the plugin the grace period to answer, and ends it if it doesn't. Time in which the plugin waits for the client to read its
// log is not the plugin's: it is added, up to the send timeout.
func (w *work) grace() {
	left, credit := w.session.GracePeriod, w.session.SendTimeout
	for left > 0 {
		waited := w.log.waited()
		timer := time.NewTimer(left)
		select {
		case <-w.handled:
			timer.Stop()
			return
		case <-timer.C:
		}
		left = min(w.log.waited()-waited, credit)
		credit -= left
	}
	w.hit(settingGracePeriod)
	w.end(w.graceError())
}

func (w *work) deadlineError() error {
	return fmt.Errorf("the request ran longer than %s (setting %s)", w.session.requestTimeout(), settingRequestTime)
}

func (w *work) graceError() error {
	text := "canceled"
	if w.reason == stopDeadline {
		text = w.deadlineError().Error()
	}
	return fmt.Errorf("%s: the plugin did not answer within %s of the end of its programs (setting %s)",
		text, w.session.GracePeriod, settingGracePeriod)
}
