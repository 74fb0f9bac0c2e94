package jsonread

import (
	"encoding/binary"
	"math/bits"
)

// Skip passes over the value that comes next. Each turn of the loop is a value with its name, if it has one: in WebAssembly, turns are dear.
func (r *Reader) Skip() {
	data, i, open := r.data, r.pos, r.skipped[:0]
	named := false // a member comes next
	for {
		i = spaceEnd(data, i)
		if named {
			if i >= len(data) || data[i] != '"' {
				r.unexpected(i)
				return
			}
			if i, _ = stringEnd(data, i+1); i < 0 {
				r.unexpected(^i)
				return
			}
			if i = spaceEnd(data, i); i >= len(data) || data[i] != ':' {
				r.unexpected(i)
				return
			}
			i = spaceEnd(data, i+1)
		}
		switch {
		case i >= len(data):
			r.unexpected(i)
			return
		case data[i] == '"':
			if i, _ = stringEnd(data, i+1); i < 0 {
				r.unexpected(^i)
				return
			}
		case data[i] == '{' || data[i] == '[':
			if len(r.levels)+len(open) >= maxDepth {
				r.tooDeep(i)
				return
			}
			open = append(open, data[i])
			if i = spaceEnd(data, i+1); i >= len(data) || data[i] != endOf(open) {
				named = open[len(open)-1] == '{'
				continue
			}
		default:
			if i = scalarEnd(data, i); i < 0 {
				r.unexpected(^i)
				return
			}
		}
		// Behind a value, and behind those that it is the last of.
		for {
			if len(open) == 0 {
				r.pos, r.skipped = i, open
				return
			}
			i = spaceEnd(data, i)
			if i >= len(data) || data[i] != ',' && data[i] != endOf(open) {
				r.unexpected(i)
				return
			}
			i++
			if data[i-1] == ',' {
				break
			}
			open = open[:len(open)-1]
		}
		named = open[len(open)-1] == '{'
	}
}

// endOf is what ends the innermost of what is open.
func endOf(open []byte) byte { return open[len(open)-1] + 2 } // '}' is '{'+2, and ']' is '['+2

// spaceEnd is where the white space ends that there may be at i.
func spaceEnd(data []byte, i int) int {
	for i < len(data) && isSpace(data[i]) {
		i++
	}
	return i
}

// scalarEnd is where the value at i ends, which is no object, array or string. If it is none, the result is the complement of where that shows.
func scalarEnd(data []byte, i int) int {
	rest := data[i:]
	switch {
	case len(rest) >= 4 && (string(rest[:4]) == "null" || string(rest[:4]) == "true"):
		return i + 4
	case len(rest) >= 5 && string(rest[:5]) == "false":
		return i + 5
	}
	switch rest[0] {
	case 'n':
		return wordEnd(data, i, "null")
	case 't':
		return wordEnd(data, i, "true")
	case 'f':
		return wordEnd(data, i, "false")
	}
	return numberEnd(data, i)
}

func wordEnd(data []byte, i int, word string) int {
	for j := range len(word) {
		if i+j >= len(data) || data[i+j] != word[j] {
			return ^(i + j)
		}
	}
	return i + len(word)
}

// stringEnd is where a string ends whose text begins at i: after its quotation mark. escaped: it does not say what it is written as. If it is no
// string, the end is the complement of where that shows.
func stringEnd(data []byte, i int) (end int, escaped bool) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	var all uint64 // the bytes, one over the other
	for {
		// Eight at once, up to the first that is a mark, a backslash or a control character: where a byte is 0, or below a space.
		for i+8 <= len(data) {
			w := binary.LittleEndian.Uint64(data[i:])
			mark, backslash := w^('"'*ones), w^('\\'*ones)
			stop := ((mark-ones)&^mark | (backslash-ones)&^backslash | (w-' '*ones)&^w) & highs
			if stop != 0 {
				n := bits.TrailingZeros64(stop) &^ 7
				all |= w & (1<<n - 1)
				i += n / 8
				break
			}
			all |= w
			i += 8
		}
		if i >= len(data) {
			return ^i, false
		}
		switch c := data[i]; {
		case c == '"':
			return i + 1, escaped || all&highs != 0
		case c == '\\':
			escaped = true
			if i = escapeEnd(data, i+1); i < 0 {
				return i, false
			}
		case c < ' ':
			return ^i, false
		default: // among the last seven
			all |= uint64(c)
		}
		i++
	}
}

// escapeEnd is the last byte of an escape whose backslash is before i. If it is none, the result is the complement of where that shows.
func escapeEnd(data []byte, i int) int {
	if i >= len(data) {
		return ^i
	}
	switch data[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i
	case 'u':
		for range 4 {
			if i++; i >= len(data) || !isHex(data[i]) {
				return ^i
			}
		}
		return i
	}
	return ^i
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

// numberEnd is where the number at i ends. If it is none, the result is the complement of where that shows.
func numberEnd(data []byte, i int) int {
	if data[i] == '-' {
		i++
	}
	switch {
	case i < len(data) && data[i] == '0':
		i++
	default:
		if i = digitsEnd(data, i); i < 0 {
			return i
		}
	}
	if i < len(data) && data[i] == '.' {
		if i = digitsEnd(data, i+1); i < 0 {
			return i
		}
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		return digitsEnd(data, i)
	}
	return i
}

// digitsEnd is where the digits end of which there is at least one at i, or else ^i.
func digitsEnd(data []byte, i int) int {
	from := i
	for i < len(data) && '0' <= data[i] && data[i] <= '9' {
		i++
	}
	if i == from {
		return ^i
	}
	return i
}
