package enginelog

import (
	"bytes"
	"time"
	"unicode/utf8"
)

// Limits of what is held in memory and sent at once.
const (
	// maxLine is the longest line that is read as one. A longer one goes out as it stands, piece by piece.
	maxLine = 16 << 20
	// MaxText is the most bytes of text in one Log; a longer text becomes several.
	MaxText = 64 << 10
	// keepBuffer is the capacity that a writer keeps from one line to the next.
	keepBuffer = 1 << 20
)

// Writer takes an engine's output as it comes and hands each line on as soon as it is whole. Close hands on a last line
// that has no end.
type Writer struct {
	line func(text []byte, arrived time.Time) // which must not keep the text
	raw  func(piece []byte)
	now  func() time.Time

	partial  []byte
	overlong bool
}

// Write never fails and takes everything.
func (w *Writer) Write(p []byte) (int, error) {
	n, now := len(p), w.now()
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			w.hold(p)
			break
		}
		w.finish(p[:end], now)
		p = p[end+1:]
	}
	return n, nil
}

// Close ends the last line.
func (w *Writer) Close() error {
	if len(w.partial) > 0 || w.overlong {
		w.finish(nil, w.now())
	}
	return nil
}

// hold keeps the beginning of a line until the rest of it comes.
func (w *Writer) hold(p []byte) {
	w.partial = append(w.partial, p...)
	if len(w.partial) > maxLine {
		w.overlong = true
	}
	if w.overlong {
		w.spill(false)
	}
}

// spill sends what is held of a line that is too long to be read as one.
func (w *Writer) spill(all bool) {
	rest := w.partial
	for len(rest) >= MaxText || all && len(rest) > 0 {
		n := cut(rest)
		w.raw(rest[:n])
		rest = rest[n:]
	}
	w.partial = append(w.partial[:0], rest...)
}

func (w *Writer) finish(end []byte, now time.Time) {
	switch {
	case w.overlong:
		w.partial = append(w.partial, end...)
		w.spill(true)
	case len(w.partial) == 0:
		w.line(bytes.TrimSuffix(end, []byte("\r")), now)
	default:
		w.partial = append(w.partial, end...)
		w.line(bytes.TrimSuffix(w.partial, []byte("\r")), now)
	}
	w.overlong = false
	w.partial = w.partial[:0]
	if cap(w.partial) > keepBuffer {
		w.partial = nil
	}
}

// cut is the length of the first piece of a long text: at most MaxText, and not within a character.
func cut[T string | []byte](text T) int {
	if len(text) <= MaxText {
		return len(text)
	}
	n := MaxText
	for n > MaxText-utf8.UTFMax && !utf8.RuneStart(text[n]) {
		n--
	}
	if n == MaxText-utf8.UTFMax {
		return MaxText // not UTF-8 at all
	}
	return n
}
