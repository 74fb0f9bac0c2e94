package jsonread

import "encoding/binary"

// What may come next within a value that is passed over.
const (
	value = iota
	valueOrEnd
	name
	nameOrEnd
	commaOrEnd
)

// Skip passes over the value that comes next.
func (r *Reader) Skip() {
	if r.err != nil {
		return
	}
	data, i, open, state := r.data, r.pos, r.skipped[:0], value
	for {
		for i < len(data) && isSpace(data[i]) {
			i++
		}
		if i >= len(data) {
			r.unexpected(i)
			return
		}
		c := data[i]
		switch {
		case state == commaOrEnd && c == ',':
			i++
			if state = value; open[len(open)-1] == '{' {
				state = name
			}
			continue
		case len(open) > 0 && c == open[len(open)-1]+2 && state != value && state != name: // '}' is '{'+2, and ']' is '['+2
			i++
			open = open[:len(open)-1]
		case state == name || state == nameOrEnd:
			if c != '"' {
				r.unexpected(i)
				return
			}
			if i, _ = stringEnd(data, i+1); i < 0 {
				r.unexpected(^i)
				return
			}
			for i < len(data) && isSpace(data[i]) {
				i++
			}
			if i >= len(data) || data[i] != ':' {
				r.unexpected(i)
				return
			}
			i++
			state = value
			continue
		case state == commaOrEnd:
			r.unexpected(i)
			return
		case c == '{' || c == '[':
			if len(r.levels)+len(open) >= maxDepth {
				r.tooDeep(i)
				return
			}
			i++
			open = append(open, c)
			if state = valueOrEnd; c == '{' {
				state = nameOrEnd
			}
			continue
		default:
			if i = scalarEnd(data, i); i < 0 {
				r.unexpected(^i)
				return
			}
		}
		if len(open) == 0 {
			break
		}
		state = commaOrEnd
	}
	r.pos, r.skipped = i, open
}

// scalarEnd is where the value at i ends, which is no object and no array. If it is none, the result is the complement of where that shows.
func scalarEnd(data []byte, i int) int {
	switch data[i] {
	case '"':
		end, _ := stringEnd(data, i+1)
		return end
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
		// Eight at once, up to those with a mark, a backslash or a control character: where a byte is 0, or below a space.
		for ; i+8 <= len(data); i += 8 {
			w := binary.LittleEndian.Uint64(data[i:])
			mark, backslash := w^('"'*ones), w^('\\'*ones)
			if ((mark-ones)&^mark|(backslash-ones)&^backslash|(w-' '*ones)&^w)&highs != 0 {
				break
			}
			all |= w
		}
		for ; ; i++ {
			if i >= len(data) {
				return ^i, false
			}
			c := data[i]
			if c == '"' {
				return i + 1, escaped || all&highs != 0
			}
			if c == '\\' {
				escaped = true
				if i = escapeEnd(data, i+1); i < 0 {
					return i, false
				}
				i++
				break
			}
			if c < ' ' {
				return ^i, false
			}
			all |= uint64(c)
		}
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
