package host

import (
	"context"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/session"
)

// maxDependencies bounds what is kept of the engine's graph, in bytes.
const maxDependencies = 64 << 20

// isGraph reports whether a program run prints the template's dependencies.
func isGraph(args []string) bool { return len(args) > 0 && args[0] == "graph" }

// tee is a process whose standard output somebody else gets to see, too, once there is all of it. That way the dependencies that a
// person is shown are those that the plugin was: of this session's directory, without another run of the engine.
type tee struct {
	session.Process
	kept    []byte
	tooMuch bool
	whole   func([]byte)
}

func (t *tee) Read(ctx context.Context, buf []byte, timeout time.Duration) (abi.Stream, int, error) {
	stream, n, err := t.Process.Read(ctx, buf, timeout)
	switch {
	case err != nil || t.tooMuch:
	case stream == abi.Stdout:
		if t.tooMuch = len(t.kept)+n > maxDependencies; !t.tooMuch {
			t.kept = append(t.kept, buf[:n]...)
		}
	case stream == abi.Ended && t.whole != nil:
		t.whole(t.kept)
		t.whole = nil
	}
	return stream, n, err
}
