package guest

import (
	"bytes"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// maxLogLine is where a LogWriter splits a line, in bytes.
const maxLogLine = 64 << 10

// LogWriter turns lines into Logs, for a Cmd's Stdout or Stderr. Empty lines are dropped, very long ones split. Close it
// after the last line, which may lack its end.
type LogWriter struct {
	level pb.LogLevel
	part  []byte
}

// NewLogWriter returns a writer whose Logs have that level.
func NewLogWriter(level pb.LogLevel) *LogWriter { return &LogWriter{level: level} }

// Write logs the lines that end in b. It does not fail.
func (w *LogWriter) Write(b []byte) (int, error) {
	size := len(b)
	for {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		for len(w.part)+len(line) > maxLogLine {
			n := splitAt(line, maxLogLine-len(w.part))
			w.part = append(w.part, line[:n]...)
			w.flush()
			line = line[n:]
		}
		w.part = append(w.part, line...)
		if !ended {
			return size, nil
		}
		w.flush()
		b = rest
	}
}

// Close logs a last line without an end.
func (w *LogWriter) Close() error {
	w.flush()
	return nil
}

func (w *LogWriter) flush() {
	if line := bytes.TrimSuffix(w.part, []byte("\r")); len(line) > 0 {
		Log(w.level, string(line))
	}
	w.part = w.part[:0]
}

// splitAt returns the place at or before n that does not cut a character of UTF-8 in two.
func splitAt[Text string | []byte](line Text, n int) int {
	for back := range 4 {
		if at := n - back; at > 0 && line[at]&0xC0 != 0x80 {
			return at
		}
	}
	return n
}
