package guest

import (
	"fmt"
	"strconv"

	"github.com/provisor/provisor/proto/guestpb"
)

// ExitError says that a program ended without success.
type ExitError struct {
	Result *guestpb.ExecResult
	// Stderr is what Cmd.Output collected of the standard error: all of it, or the beginning and the end of much.
	Stderr []byte

	cause error
}

// Error is "exit status N" or "signal: killed".
func (e *ExitError) Error() string {
	if s := e.Result.GetSignal(); s != "" {
		return "signal: " + s
	}
	return "exit status " + strconv.Itoa(int(e.Result.GetExitCode()))
}

// Unwrap is why the command's context had ended by then, such as ErrCanceled or context.DeadlineExceeded, or nil.
func (e *ExitError) Unwrap() error { return e.cause }

// stderrKept is how much of the beginning and how much of the end of the standard error an ExitError keeps.
const stderrKept = 32 << 10

// prefixSuffix is a writer that keeps the first n and the last n bytes.
type prefixSuffix struct {
	n       int
	prefix  []byte
	suffix  []byte // a ring once it is full
	at      int    // where the ring begins
	skipped int64
}

func (w *prefixSuffix) Write(b []byte) (int, error) {
	size := len(b)
	k := min(w.n-len(w.prefix), len(b))
	w.prefix, b = append(w.prefix, b[:k]...), b[k:]
	if over := len(b) - w.n; over > 0 {
		w.skipped += int64(over)
		b = b[over:]
	}
	k = min(w.n-len(w.suffix), len(b))
	w.suffix, b = append(w.suffix, b[:k]...), b[k:]
	for len(b) > 0 {
		k = copy(w.suffix[w.at:], b)
		b = b[k:]
		w.skipped += int64(k)
		w.at = (w.at + k) % w.n
	}
	return size, nil
}

// Bytes is what was kept, with a line in the middle that says how much was not.
func (w *prefixSuffix) Bytes() []byte {
	out := append([]byte(nil), w.prefix...)
	if w.skipped > 0 {
		out = fmt.Appendf(out, "\n... %d bytes left out ...\n", w.skipped)
	}
	out = append(out, w.suffix[w.at:]...)
	return append(out, w.suffix[:w.at]...)
}
