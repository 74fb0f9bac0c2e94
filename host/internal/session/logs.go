package session

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/provisor/provisor/abi"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// maxLogText is the longest text of one Log, in bytes. Longer ones are split: a client's limit on messages may be as low as 4 MiB.
const maxLogText = 256 << 10

// logBudget counts what a request logs, and how long it waits for the client to read it.
type logBudget struct {
	limited bool
	left    uint64
	spent   bool

	// since is when the wait under way began, in Unix nanoseconds, or 0; before is the sum of those that are over.
	since, before atomic.Int64
}

// sendLog puts a text of the plugin's onto the stream, in as many Logs as it takes.
func (w *work) sendLog(level pb.LogLevel, text string) error {
	if level < w.session.level {
		return nil
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	if err := w.charge(len(text)); err != nil {
		return err
	}
	for _, piece := range split(text, maxLogText) {
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
		text := fmt.Sprintf("the %s request has logged %d bytes, the limit (setting %s): what it still logs is dropped", w.request.kind, limit, settingLogBytes)
		if err := w.sendOneLog(pb.LogLevel_WARN, text); err != nil {
			return err
		}
	}
	return fmt.Errorf("log: %w: %d bytes for one request (setting %s)", abi.Limit, limit, settingLogBytes)
}

func (w *work) sendOneLog(level pb.LogLevel, text string) error {
	b := &w.log
	b.since.Store(time.Now().UnixNano())
	defer func() { b.before.Add(time.Now().UnixNano() - b.since.Swap(0)) }()
	put := func(msg []byte) error { return w.session.out.put(w.ctx, msg) }
	err := sendMessage(&pb.Response{Type: &pb.Response_Log{Log: &pb.Log{Level: level, Output: text}}}, put)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errUnsent):
		// Nobody reads any more. The plugin goes on: it has the output of its programs to work through.
		return nil
	}
	return fmt.Errorf("log: %w: %w", abi.Canceled, err)
}

// waited is how long the request has waited for the client to read its log.
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
