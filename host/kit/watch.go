package kit

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/provisor/provisor/abi"
)

// watch reads the runtime's log, for what a client can't see: that the host answered in the plugin's place, or refused a call.
type watch struct {
	to     slog.Handler
	events *events
}

// The records that watch looks for, as the runtime writes them. The kit's own tests fail if they are written otherwise.
const (
	recordFailed  = "the plugin failed"
	recordRefused = "a host function returned an errno"
	recordToEnd   = "the request is to end"
)

// seen is what the log tells of some requests.
type seen struct {
	// failed are the errors of requests that the host answered.
	failed []string
	// refused are calls of respond and log that break the ABI.
	refused []string
	// canceled counts the requests that a cancel or a deadline reached before they were answered.
	canceled int
}

// events is what was seen so far.
type events struct {
	mu   sync.Mutex
	seen seen
}

func newWatch(to *slog.Logger) *watch { return &watch{to.Handler(), new(events)} }

func (w *watch) logger() *slog.Logger { return slog.New(w) }

// Enabled implements slog.Handler: refused calls are logged at DEBUG, whatever the log beyond takes.
func (w *watch) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (w *watch) Handle(ctx context.Context, r slog.Record) error {
	attrs := make(map[string]string)
	r.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value.String()
		return true
	})
	w.events.add(r.Message, attrs)
	if !w.to.Enabled(ctx, r.Level) {
		return nil
	}
	return w.to.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (w *watch) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &watch{w.to.WithAttrs(attrs), w.events}
}

// WithGroup implements slog.Handler.
func (w *watch) WithGroup(name string) slog.Handler { return &watch{w.to.WithGroup(name), w.events} }

func (e *events) add(message string, attrs map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch function := attrs["function"]; {
	case message == recordFailed:
		e.seen.failed = append(e.seen.failed, attrs["error"])
	case message == recordRefused && (function == abi.FuncRespond || function == abi.FuncLog) && breaksABI(attrs["errno"]):
		e.seen.refused = append(e.seen.refused, fmt.Sprintf("%s: %s", function, attrs["error"]))
	case message == recordToEnd:
		e.seen.canceled++
	}
}

// breaksABI says whether only a mistake of the plugin leads to the errno. Limits and cancels come from outside.
func breaksABI(errno string) bool {
	return errno == abi.Invalid.Error() || errno == abi.WrongState.Error()
}

// take returns what was seen since the last time.
func (e *events) take() seen {
	e.mu.Lock()
	defer e.mu.Unlock()
	taken := e.seen
	e.seen = seen{}
	return taken
}
