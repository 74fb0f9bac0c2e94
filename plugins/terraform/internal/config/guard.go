package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// What the HCL parser is spared. It allocates some 100 bytes per token and a few hundred more per attribute, and it
// recurses with about 10 KiB of stack per level: measured in a WebAssembly instance of 256 MiB, it runs out of memory
// at 10,000 levels, and works with 400,000 tokens.
const (
	maxTokens = 400_000 // in all configuration files of a template: about 2 MiB of common HCL
	maxDepth  = 1_000   // nested brackets, and operators in one expression
	maxDigits = 1_000   // of one number: parsing takes time by the square of it
)

// A budget is what is left for the files of one template.
type budget struct{ tokens int }

func newBudget() *budget { return &budget{tokens: maxTokens} }

// check refuses a text that is too much for the parser, before the parser sees it.
func (b *budget) check(text []byte, s source) *hcl.Diagnostic {
	bound := measure(text)
	if b.tokens -= bound.tokens; b.tokens < 0 {
		return refusal(s, hcl.InitialPos, "Configuration too large",
			fmt.Sprintf("With this file, the configuration files of the template have more than %d words and signs in all.", maxTokens))
	}
	if bound.depth <= maxDepth && bound.digits <= maxDigits {
		return nil
	}
	if s.json {
		return checkJSON(text, s)
	}
	return checkTokens(text, s)
}

// refusal is the diagnostic of a file that is not parsed.
func refusal(s source, at hcl.Pos, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  summary,
		Detail:   detail,
		Subject:  &hcl.Range{Filename: s.name, Start: at, End: at},
	}
}

func tooDeep(s source, at hcl.Pos) *hcl.Diagnostic {
	return refusal(s, at, "Nesting too deep",
		fmt.Sprintf("Brackets, templates and operators are nested more than %d deep here.", maxDepth))
}

func tooLong(s source, at hcl.Pos) *hcl.Diagnostic {
	return refusal(s, at, "Number too long", fmt.Sprintf("A number may have %d digits at most.", maxDigits))
}

// bounds are upper bounds, whatever the bytes mean: they hold for strings, comments and code alike, so nothing can be
// hidden from them. They are wide of the mark for long texts, which are then looked at closely.
type bounds struct {
	tokens int
	depth  int // everything that could open a level
	digits int // the longest run of what a number may consist of
}

func measure(text []byte) bounds {
	var b bounds
	var inWord bool
	run := 0
	for i, c := range text {
		letter := c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if digit || c == '.' || c|0x20 == 'e' || c == '+' || c == '-' {
			run++
			b.digits = max(b.digits, run)
		} else {
			run = 0
		}
		switch {
		case letter || digit:
			if !inWord {
				b.tokens++
				if digit {
					b.tokens++ // the letters after a number are another token
				}
			}
		case c != ' ' && c != '\t' && c != '\r':
			b.tokens++
		}
		inWord = letter || digit
		if opens(c, text[i+1:]) {
			b.depth++
		}
	}
	return b
}

// opens tells whether a byte can begin something that the parser or the evaluation recurses into.
func opens(c byte, rest []byte) bool {
	switch c {
	case '{', '[', '(', '!', '-', '?', '+', '*', '/', '%', '<', '>', '&', '|':
		return true
	case '=':
		return len(rest) > 0 && rest[0] == '='
	}
	return false
}

// checkJSON measures the real depth of a JSON text, with the HCL parser's own idea of where a string ends.
func checkJSON(text []byte, s source) *hcl.Diagnostic {
	var open []byte
	digits, line := 0, 1
	for i := 0; i < len(text); i++ {
		at := hcl.Pos{Line: line, Column: 1, Byte: i}
		switch c := text[i]; {
		case c == '"':
			i = endOfJSONString(text, i) - 1
		case c == '\n':
			line++
		case c == '{' || c == '[':
			if open = append(open, c+2); len(open) > maxDepth { // '{'+2 is '}', '['+2 is ']'
				return tooDeep(s, at)
			}
		case c == '}' || c == ']':
			if len(open) > 0 && open[len(open)-1] == c {
				open = open[:len(open)-1]
			}
		case c >= '0' && c <= '9' || c == '.' || c|0x20 == 'e' || c == '+' || c == '-':
			if digits++; digits > maxDigits {
				return tooLong(s, at)
			}
			continue
		}
		digits = 0
	}
	return nil
}

// endOfJSONString is the index after the string that begins at start; a control character ends it as well.
func endOfJSONString(text []byte, start int) int {
	escaped := false
	for i := start + 1; i < len(text); i++ {
		switch c := text[i]; {
		case c < 0x20:
			return i
		case c == '"' && !escaped:
			return i + 1
		default:
			escaped = c == '\\' && !escaped
		}
	}
	return len(text)
}

// checkTokens measures the real depth of native syntax on the HCL scanner's own tokens.
func checkTokens(text []byte, s source) *hcl.Diagnostic {
	tokens, _ := hclsyntax.LexConfig(text, s.name, hcl.InitialPos) // the parser reports the same problems
	d := newDepth()
	for i, token := range tokens {
		d.take(token, tokens[i+1:])
		if d.total > maxDepth {
			return tooDeep(s, token.Range.Start)
		}
		if token.Type == hclsyntax.TokenNumberLit && len(token.Bytes) > maxDigits {
			return tooLong(s, token.Range.Start)
		}
	}
	return nil
}
