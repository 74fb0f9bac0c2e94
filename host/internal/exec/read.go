package exec

import (
	"context"
	"fmt"
	"time"

	"github.com/provisor/provisor/abi"
)

// Read waits for output and copies it into buf: it returns the stream and the number of bytes, abi.TimedOut once timeout
// has passed (negative = never, 0 = at once), or abi.Ended when both streams have ended. Each stream keeps its order; the
// order between the two is not known.
//
// What is not read is not taken from the program either: past a bounded buffer the program waits. An error wraps
// abi.Limit when the program was killed for its OutputLimit (all output within the limit is returned first), or
// abi.Canceled when ctx ended.
func (p *Process) Read(ctx context.Context, buf []byte, timeout time.Duration) (abi.Stream, int, error) {
	if len(buf) == 0 {
		return 0, 0, fmt.Errorf("read output of %s into an empty buffer: %w", p.program.Path, abi.Invalid)
	}
	if ctx.Err() != nil {
		return 0, 0, p.canceled(ctx)
	}
	var expired <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-p.reading:
		defer func() { p.reading <- struct{}{} }()
	case <-ctx.Done():
		return 0, 0, p.canceled(ctx)
	case <-expired:
		return abi.TimedOut, 0, nil
	}
	if timeout == 0 {
		if s, n, ok := p.take(buf); ok {
			return s, n, nil
		}
		if !p.outputs[0].drained || !p.outputs[1].drained {
			return abi.TimedOut, 0, nil
		}
	}
	return p.receive(ctx, buf, expired)
}

// take returns output that is there already.
func (p *Process) take(buf []byte) (abi.Stream, int, bool) {
	for _, o := range p.outputs {
		if len(o.rest) == 0 && !o.drained {
			select {
			case chunk, ok := <-o.chunks:
				o.rest, o.drained = chunk, !ok
			default:
			}
		}
		if len(o.rest) > 0 {
			s, n := o.takeRest(buf)
			return s, n, true
		}
	}
	return 0, 0, false
}

// receive waits for output.
func (p *Process) receive(ctx context.Context, buf []byte, expired <-chan time.Time) (abi.Stream, int, error) {
	for {
		if s, n, ok := p.take(buf); ok {
			return s, n, nil
		}
		out, errs := p.outputs[0], p.outputs[1]
		if out.drained && errs.drained {
			return p.end()
		}
		select {
		case chunk, ok := <-out.live():
			out.rest, out.drained = chunk, !ok
		case chunk, ok := <-errs.live():
			errs.rest, errs.drained = chunk, !ok
		case <-ctx.Done():
			return 0, 0, p.canceled(ctx)
		case <-expired:
			return abi.TimedOut, 0, nil
		}
	}
}

// end is what Read returns after the last byte.
func (p *Process) end() (abi.Stream, int, error) {
	if p.limited.Load() {
		return 0, 0, fmt.Errorf("output of %s: more than %d bytes, the limit of one run (raise the setting output_bytes): %w",
			p.program.Path, p.program.OutputLimit, abi.Limit)
	}
	return abi.Ended, 0, nil
}
