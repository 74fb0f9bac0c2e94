package graph

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// address is the address of a resource or of an instance of one, as the engine writes it:
//
//	module.a["x"].module.b[0].data.coder_parameter.region["eu.west"]
type address struct {
	ModulePath string // module.a["x"].module.b[0], keys kept; empty in the root module
	Type       string // coder_parameter
	Data       bool   // whether it is a data source
	Keyless    string // module.a.module.b.data.coder_parameter.region: what graphs call it
}

// parseAddress takes an address apart; ok is false if it is none.
func parseAddress(s string) (a address, ok bool) {
	ok = a.parse(s)
	return a, ok
}

// parse is the same where the result is wanted. It is left empty if there is none.
func (a *address) parse(s string) bool {
	if !a.read(s) {
		*a = address{}
		return false
	}
	return true
}

func (a *address) read(s string) bool {
	r := addressReader{text: s}
	for r.skip("module.") {
		if !r.step() {
			return false
		}
		a.ModulePath = s[:r.pos]
		if !r.skip(".") {
			return false
		}
	}
	a.Data = r.skip("data.")
	n := identifier(s[r.pos:])
	a.Type = s[r.pos : r.pos+n]
	r.pos += n
	if n == 0 || !r.skip(".") || !r.step() || r.pos < len(s) {
		return false
	}
	a.Keyless = r.keyless + s[r.kept:]
	return true
}

// WithoutKeys is what graphs call the resource of that address. What is no address stays as it is.
func WithoutKeys(s string) string {
	if a, ok := parseAddress(s); ok {
		return a.Keyless
	}
	return s
}

// addressReader reads an address from its beginning.
type addressReader struct {
	text string
	pos  int
	// keyless is what was read up to kept, without its keys.
	keyless string
	kept    int
}

// skip passes over a text, if that comes next.
func (r *addressReader) skip(text string) bool {
	if !strings.HasPrefix(r.text[r.pos:], text) {
		return false
	}
	r.pos += len(text)
	return true
}

// step reads a name and the instance key behind it, if any.
func (r *addressReader) step() bool {
	n := identifier(r.text[r.pos:])
	if n == 0 {
		return false
	}
	r.pos += n
	if r.pos == len(r.text) || r.text[r.pos] != '[' {
		return true
	}
	k := instanceKey(r.text[r.pos:])
	r.keyless += r.text[r.kept:r.pos]
	r.pos += k
	r.kept = r.pos
	return k > 0
}

// identifier is the length of the name that s begins with.
func identifier(s string) int {
	for i, r := range s {
		switch {
		case 'a' <= r && r <= 'z', r == '_': // nearly all
		case i > 0 && ('0' <= r && r <= '9' || r == '-'):
		case unicode.IsLetter(r):
		case i > 0 && (unicode.IsDigit(r) || unicode.Is(unicode.M, r)):
		default:
			return i
		}
		if r == utf8.RuneError {
			return i
		}
	}
	return len(s)
}

// instanceKey is the length of the key that s begins with, brackets included: a number, a quoted string with
// backslash escapes, or the asterisk of an instance that is not known yet. 0 if there is none.
func instanceKey(s string) int {
	if strings.HasPrefix(s, "[*]") {
		return len("[*]")
	}
	i := len("[")
	if !strings.HasPrefix(s, `["`) {
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		if i == len("[") || i == len(s) || s[i] != ']' {
			return 0
		}
		return i + 1
	}
	for i = len(`["`); i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			if strings.HasPrefix(s[i:], `"]`) {
				return i + len(`"]`)
			}
			return 0
		}
	}
	return 0
}
