package sandbox

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/tetratelabs/wazero/experimental/sys"
)

// maxLine is the longest line of a plugin's output that stays one line in the log, in bytes.
const maxLine = 8 << 10

// output is where a plugin's standard output and error go. It is called by the goroutine that runs the plugin.
type output struct {
	log     *slog.Logger
	raw     io.Writer
	limit   uint64
	limited func(setting string)
	ctx     context.Context
	// left is how many bytes more this call may write.
	left uint64
	line []byte
}

func newOutput(raw io.Writer, log *slog.Logger, limit uint64, limited func(setting string)) *output {
	return &output{log: log, raw: raw, limit: limit, limited: limited}
}

// begin starts a new call with a new allowance.
func (o *output) begin(ctx context.Context) { o.ctx, o.left = ctx, o.limit }

// Write takes everything, and keeps what the allowance has room for. It fails once the call is interrupted: one fd_write can
// name the same bytes millions of times.
func (o *output) Write(p []byte) (int, error) {
	if o.ctx.Err() != nil {
		return 0, sys.EIO
	}
	keep := p[:min(uint64(len(p)), o.left)]
	if len(keep) < len(p) && o.left > 0 {
		o.limited(settingConsole)
		defer o.log.Warn("the plugin writes too much: the rest of this request's output is dropped", "limit", size(o.limit), "setting", settingConsole)
	}
	o.left -= uint64(len(keep))
	if o.raw != nil {
		_, _ = o.raw.Write(keep)
		return len(p), nil
	}
	o.split(keep)
	return len(p), nil
}

func (o *output) split(p []byte) {
	for len(p) > 0 {
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		if room := maxLine - len(o.line); len(line) > room {
			line, rest, ended = p[:room], p[room:], true
		}
		o.line = append(o.line, line...)
		if ended {
			o.flush()
		}
		p = rest
	}
}

// flush logs a line that has no end yet.
func (o *output) flush() {
	if len(o.line) > 0 {
		o.log.Info("plugin output", "line", strings.ToValidUTF8(string(o.line), "\uFFFD"))
		o.line = o.line[:0]
	}
}
