package session

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/time/rate"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// maxLogText is the longest text of one Log, in bytes. Longer ones are split: a client's limit on messages may be as low as 4 MiB.
const maxLogText = 256 << 10

// logOverhead is what a Log costs beside its text, in bytes: empty ones must have an end too.
const logOverhead = 32

// logBudget counts what a request logs, and how long that has made it wait.
type logBudget struct {
	limited bool
	left    uint64
	spent   bool
	slowed  bool

	// since is when the wait under way began, in Unix nanoseconds, or 0; before is the sum of those that are over.
	since, before atomic.Int64
}

// newLogRate is how fast a session may log: so many bytes at once, and so many a second from then on. nil = as fast as it likes.
func newLogRate(l *guestpb.Limits) *rate.Limiter {
	if l.GetLogBytesPerSecond() == 0 {
		return nil
	}
	burst := max(l.GetLogBurstBytes(), l.GetLogBytesPerSecond(), logOverhead)
	return rate.NewLimiter(rate.Limit(l.GetLogBytesPerSecond()), int(min(burst, math.MaxInt32)))
}

// sendLog puts a text of the plugin's onto the stream, in as many Logs as it takes.
func (w *work) sendLog(level pb.LogLevel, text string) error {
	if level < w.session.level {
		return nil
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	if err := w.charge(len(text) + logOverhead); err != nil {
		return err
	}
	for _, piece := range split(text, maxLogText) {
		if err := w.pace(len(piece)); err != nil {
			return err
		}
		if err := w.sendOneLog(level, piece); err != nil {
			return err
		}
	}
	return nil
}

// charge takes the bytes out of the request's budget. The client is told once where it is spent.
func (w *work) charge(n int) error {
	b := &w.log
	if !b.limited {
		return nil
	}
	if !b.spent && uint64(n) <= b.left {
		b.left -= uint64(n)
		return nil
	}
	limit := w.session.Limits.GetLogBytes()
	if !b.spent {
		b.spent = true
		w.hit(settingLogBytes)
		text := fmt.Sprintf("the %s request has logged %d bytes, the limit (setting %s): what it still logs is dropped", w.request.kind, limit, settingLogBytes)
		if err := w.sendOneLog(pb.LogLevel_WARN, text); err != nil {
			return err
		}
	}
	return fmt.Errorf("log: %w: %d bytes for one request (setting %s)", abi.Limit, limit, settingLogBytes)
}

// pace waits until the session may log that many bytes more, or until the work is ended. The client is told once that it does.
func (w *work) pace(n int) error {
	limiter := w.session.logRate
	if limiter == nil {
		return nil
	}
	for left := n + logOverhead; left > 0; left -= limiter.Burst() {
		now := time.Now()
		wait := limiter.ReserveN(now, min(left, limiter.Burst())).DelayFrom(now)
		if wait == 0 {
			continue
		}
		if err := w.tellSlow(); err != nil {
			return err
		}
		if err := w.pause(wait); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) tellSlow() error {
	if w.log.slowed {
		return nil
	}
	w.log.slowed = true
	w.hit(settingLogRate)
	l := w.session.Limits
	return w.sendOneLog(pb.LogLevel_WARN, fmt.Sprintf("the %s request logs faster than %d bytes a second after the first %d (settings %s, %s): it is slowed down, nothing is lost",
		w.request.kind, l.GetLogBytesPerSecond(), w.session.logRate.Burst(), settingLogRate, settingLogBurst))
}

// pause waits, not on the plugin's time.
func (w *work) pause(d time.Duration) error {
	defer w.log.wait()()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-w.ctx.Done():
		return fmt.Errorf("log: %w: %w", abi.Canceled, context.Cause(w.ctx))
	}
}

func (w *work) sendOneLog(level pb.LogLevel, text string) error {
	defer w.log.wait()()
	err := w.session.out.put(w.ctx, logResponse(level, text))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errUnsent):
		// Nobody reads any more. The plugin goes on: it has the output of its programs to work through.
		return nil
	}
	return fmt.Errorf("log: %w: %w", abi.Canceled, err)
}

// The numbers of the fields that make a Log.
const (
	responseLog protowire.Number = 1 // Response.log
	logLevel    protowire.Number = 1 // Log.level
	logOutput   protowire.Number = 2 // Log.output
)

// logResponse is a Response with a Log, serialized. There is one for each line of an engine: through the messages, it would take half of all that
// is done here for a line.
func logResponse(level pb.LogLevel, text string) []byte {
	size := protowire.SizeTag(logLevel) + protowire.SizeVarint(uint64(level)) + protowire.SizeTag(logOutput) + protowire.SizeBytes(len(text))
	b := append(make([]byte, 0, size+2*binary.MaxVarintLen32), bytesHeader(responseLog, size)...)
	b = protowire.AppendVarint(protowire.AppendTag(b, logLevel, protowire.VarintType), uint64(level))
	return protowire.AppendString(protowire.AppendTag(b, logOutput, protowire.BytesType), text)
}

// wait begins a wait, and returns what ends it.
func (b *logBudget) wait() (end func()) {
	b.since.Store(time.Now().UnixNano())
	return func() { b.before.Add(time.Now().UnixNano() - b.since.Swap(0)) }
}

// waited is how long the request has waited for the client to read its log, or because it logs too fast.
func (b *logBudget) waited() time.Duration {
	sum := b.before.Load()
	if since := b.since.Load(); since != 0 {
		sum += time.Now().UnixNano() - since
	}
	return time.Duration(sum)
}

// split cuts a text into pieces of at most size bytes, between characters. An empty text is one empty piece.
func split(text string, size int) []string {
	var pieces []string
	for len(text) > size {
		n := size
		for !utf8.RuneStart(text[n]) {
			n--
		}
		pieces = append(pieces, text[:n])
		text = text[n:]
	}
	return append(pieces, text)
}
