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
	var keyless strings.Builder
	keyless.Grow(len(s))
	rest := s
	for strings.HasPrefix(rest, "module.") {
		end, ok := step(rest[len("module."):], &keyless, "module.")
		if !ok || !strings.HasPrefix(end, ".") {
			return address{}, false
		}
		a.ModulePath = s[:len(s)-len(end)]
		keyless.WriteByte('.')
		rest = end[1:]
	}
	if after, found := strings.CutPrefix(rest, "data."); found {
		a.Data, rest = true, after
		keyless.WriteString("data.")
	}
	n := identifier(rest)
	if n == 0 || n == len(rest) || rest[n] != '.' {
		return address{}, false
	}
	a.Type = rest[:n]
	keyless.WriteString(a.Type)
	end, ok := step(rest[n+1:], &keyless, ".")
	if !ok || end != "" {
		return address{}, false
	}
	a.Keyless = keyless.String()
	return a, true
}

// WithoutKeys is what graphs call the resource of that address. What is no address stays as it is.
func WithoutKeys(s string) string {
	if a, ok := parseAddress(s); ok {
		return a.Keyless
	}
	return s
}

// step reads a name and the instance key behind it, if any; it writes prefix and name to keyless and returns what follows.
func step(s string, keyless *strings.Builder, prefix string) (rest string, ok bool) {
	n := identifier(s)
	if n == 0 {
		return "", false
	}
	keyless.WriteString(prefix)
	keyless.WriteString(s[:n])
	if n == len(s) || s[n] != '[' {
		return s[n:], true
	}
	k := instanceKey(s[n:])
	return s[n+k:], k > 0
}

// identifier is the length of the name that s begins with.
func identifier(s string) int {
	for i, r := range s {
		switch {
		case r == '_', unicode.IsLetter(r):
		case i > 0 && (r == '-' || unicode.IsDigit(r) || unicode.Is(unicode.M, r)):
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
