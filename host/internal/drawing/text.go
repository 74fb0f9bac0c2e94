package drawing

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// text is lines of text, indented.
type text struct {
	buffer bytes.Buffer
	indent int
}

func (t *text) line(format string, args ...any) {
	t.buffer.WriteString(strings.Repeat("  ", t.indent))
	fmt.Fprintf(&t.buffer, format, args...)
	t.buffer.WriteByte('\n')
}

// end closes what was begun before the last step in.
func (t *text) end(line string) {
	t.indent--
	t.line("%s", line)
}

func (t *text) bytes() []byte { return t.buffer.Bytes() }

// longest is how many characters of a name are drawn.
const longest = 80

// visible is a string as it may be shown: characters that no one sees, or that turn the direction of writing, are shown as □, and
// what is longer than anyone reads is cut. Line feeds stay.
func visible(s string) string {
	var out strings.Builder
	n := 0
	for _, r := range strings.ToValidUTF8(s, "□") {
		if n++; n > longest*4 {
			out.WriteString("…")
			break
		}
		if r != '\n' && !unicode.IsPrint(r) {
			r = '□'
		}
		out.WriteRune(r)
	}
	return out.String()
}

// oneLine is a string as it may be shown in one line.
func oneLine(s string) string {
	s = strings.ReplaceAll(visible(s), "\n", " ")
	if r := []rune(s); len(r) > longest {
		return string(r[:longest-1]) + "…"
	}
	return s
}
