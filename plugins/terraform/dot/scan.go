package dot

import (
	"errors"
	"fmt"
	"strings"
)

// kind is what a token is: one of the punctuation characters, or one of the constants.
type kind rune

const (
	end    kind = 0
	word   kind = 'a'
	quoted kind = '"'
	arrow  kind = '>'
	broken kind = '?'
)

type token struct {
	kind kind
	text string // without the quotes, escapes as they stand
}

func (t token) isID() bool { return t.kind == word || t.kind == quoted }

// scanner cuts the text into tokens, with one of lookahead. Its first error sticks.
type scanner struct {
	text   string
	line   int
	ahead  token
	peeked bool
	err    error
}

func (s *scanner) next() token {
	if s.peeked {
		s.peeked = false
		return s.ahead
	}
	return s.scan()
}

func (s *scanner) peek() token {
	if !s.peeked {
		s.ahead, s.peeked = s.scan(), true
	}
	return s.ahead
}

func (s *scanner) scan() token {
	s.skipSpace()
	if s.text == "" {
		return token{}
	}
	switch c := s.text[0]; {
	case strings.IndexByte("{}[]=,;", c) >= 0:
		return s.take(kind(c), 1)
	case strings.HasPrefix(s.text, "->"):
		return s.take(arrow, 2)
	case c == '"':
		return s.quoted()
	case isWord(c):
		n := 1
		for n < len(s.text) && isWord(s.text[n]) {
			n++
		}
		return s.take(word, n)
	default:
		s.err = fmt.Errorf("unexpected character %q", c)
		return token{kind: broken}
	}
}

func (s *scanner) take(k kind, n int) token {
	t := token{k, s.text[:n]}
	s.text = s.text[n:]
	return t
}

func (s *scanner) quoted() token {
	for i := 1; i < len(s.text); i++ {
		switch s.text[i] {
		case '\n':
			s.err = errors.New("a quoted string does not end on its line")
			return token{kind: broken}
		case '\\':
			i++ // whatever is escaped
		case '"':
			t := token{quoted, s.text[1:i]}
			s.text = s.text[i+1:]
			return t
		}
	}
	s.err = errors.New("a quoted string does not end")
	return token{kind: broken}
}

func (s *scanner) skipSpace() {
	for i := range len(s.text) {
		switch s.text[i] {
		case '\n':
			s.line++
		case ' ', '\t', '\r':
		default:
			s.text = s.text[i:]
			return
		}
	}
	s.text = ""
}

func isWord(c byte) bool {
	return c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= 0x80
}
