package enginelog

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Sink takes one log. The text is UTF-8, at most MaxText bytes long, and there until the next line: who keeps it must clone it.
type Sink func(level pb.LogLevel, text string)

// Stdout is a writer for an engine's standard output: JSON lines go out at their own level, with the whole of their
// diagnostics, any other line as it stands at INFO. Each line that is not empty is shown to observe first, which may
// change it; observe may be nil.
func Stdout(sink Sink, observe func(e *Event, arrived time.Time)) *Writer {
	log, json := logger{sink: sink}, new(decoder)
	return &Writer{
		now: time.Now,
		raw: func(piece []byte) { log.text(pb.LogLevel_INFO, string(piece)) },
		line: func(text []byte, arrived time.Time) {
			if len(bytes.TrimSpace(text)) == 0 {
				return
			}
			e, isJSON := json.decode(text)
			if !isJSON {
				e = &Event{Message: string(text)}
			}
			if observe != nil {
				observe(e, arrived)
			}
			if isJSON {
				log.event(e, text)
			} else {
				log.text(pb.LogLevel_INFO, e.Message)
			}
		},
	}
}

// Stderr is a writer for an engine's standard error: lines are ERROR as they stand, but what the engine logs as JSON
// (TF_LOG=JSON) keeps its level, one step lower where it is INFO; TRACE is left out.
func Stderr(sink Sink) *Writer {
	log, json := logger{sink: sink}, new(decoder)
	return &Writer{
		now: time.Now,
		raw: func(piece []byte) { log.text(pb.LogLevel_ERROR, string(piece)) },
		line: func(text []byte, _ time.Time) {
			if len(bytes.TrimSpace(text)) == 0 || isTrace(text) {
				return
			}
			e, ok := json.decode(text)
			if !ok || e.Level == "" && e.Message == "" {
				log.text(pb.LogLevel_ERROR, string(text))
				return
			}
			switch level := log.level(e.Level); level {
			case pb.LogLevel_TRACE:
			case pb.LogLevel_INFO:
				log.text(pb.LogLevel_DEBUG, e.Message)
			default:
				log.text(level, e.Message)
			}
		},
	}
}

// isTrace spares most lines of an engine's own log their decoding. Engines write the members in this order.
func isTrace(line []byte) bool {
	return bytes.HasPrefix(line, []byte(`{"@level":"trace",`)) && bytes.HasSuffix(line, []byte("}"))
}

type logger struct{ sink Sink }

func (l logger) event(e *Event, line []byte) {
	text := e.Message
	if text == "" && e.Level == "" {
		text = string(line) // JSON, but no event of an engine: nothing of it is lost
	}
	l.text(l.level(e.Level), text)
	if e.Diagnostic == nil {
		return
	}
	if lines := e.Diagnostic.lines(); len(lines) > 0 {
		level := l.level(e.Diagnostic.Severity)
		for _, line := range lines {
			l.text(level, line)
		}
	}
}

// level reads an engine's level; one that it does not know is said, and taken for INFO.
func (l logger) level(name string) pb.LogLevel {
	switch strings.ToLower(name) {
	case "trace":
		return pb.LogLevel_TRACE
	case "debug":
		return pb.LogLevel_DEBUG
	case "info":
		return pb.LogLevel_INFO
	case "warn", "warning":
		return pb.LogLevel_WARN
	case "error":
		return pb.LogLevel_ERROR
	}
	l.text(pb.LogLevel_WARN, "unable to convert log level "+name)
	return pb.LogLevel_INFO
}

// text sends one text as a Log, or as several where it is too long for one.
func (l logger) text(level pb.LogLevel, text string) {
	if !utf8.ValidString(text) { // which is quick to see
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	for {
		n := cut(text)
		l.sink(level, text[:n])
		if text = text[n:]; text == "" {
			return
		}
	}
}
