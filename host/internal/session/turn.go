package session

import (
	"fmt"
	"time"

	"github.com/provisor/provisor/host/internal/observe"
	"github.com/provisor/provisor/host/internal/queue"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// tellAfter is how long a request waits for a slot before its client is told, and tellAgain how often from then on.
const (
	tellAfter = time.Second
	tellAgain = 30 * time.Second
)

// ask takes the request's place among those that wait to run. The error says that it may not even wait.
func (w *work) ask() (err error) {
	s := w.session
	if s.Turn == nil {
		return nil
	}
	if w.ticket, err = s.Turn(s.begun); err != nil {
		return err
	}
	s.begun = true
	return nil
}

// await waits for the request's turn. The error says that it was to end before that.
func (w *work) await() error {
	if w.ticket == nil {
		return nil
	}
	select {
	case <-w.ticket.Ready():
		return nil
	default:
	}
	began, told := time.Now(), false
	waiting := &observe.Wait{Request: w.report, Began: began}
	ctx := w.session.Observer.Begin(w.ctx, waiting)
	defer func() {
		waiting.Ended = time.Now()
		w.session.Observer.End(ctx, waiting)
		w.session.waited += waiting.Ended.Sub(began)
	}()
	tell := time.NewTimer(tellAfter)
	defer tell.Stop()
	for {
		select {
		case <-w.ticket.Ready():
			if told {
				w.tell("the %s request begins after waiting for %s", w.request.kind, roughly(began))
			}
			return nil
		case <-w.stopped:
			return fmt.Errorf("canceled: the %s request had waited for %s and has not begun", w.request.kind, roughly(began))
		case <-tell.C:
			w.tell("the %s request has waited for %s: %s", w.request.kind, roughly(began), why(w.ticket.Wait()))
			told = true
			tell.Reset(tellAgain)
		}
	}
}

// tell puts a line onto the stream, as the plugin's logs are. A client that has gone misses it.
func (w *work) tell(format string, args ...any) {
	_ = w.sendLog(pb.LogLevel_INFO, fmt.Sprintf(format, args...))
}

// why says why a request waits. Other tenants' requests are nobody's business.
func why(wait queue.Wait) string {
	text := fmt.Sprintf("all %d slots are taken (setting %s)", wait.Limit, settingConcurrency)
	if wait.Own {
		text = fmt.Sprintf("all %d slots of this tenant are taken (setting %s of the tenant)", wait.Limit, settingConcurrency)
	}
	if wait.Ahead > 0 {
		text += fmt.Sprintf(", %d more of its requests come first", wait.Ahead)
	}
	return text
}

func roughly(began time.Time) time.Duration { return time.Since(began).Round(100 * time.Millisecond) }
