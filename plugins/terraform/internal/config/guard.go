package config

import (
	"fmt"
	"runtime"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// What the HCL parser is spared. It allocates some 100 bytes per token and a few hundred more per attribute or error,
// and it recurses with about 10 KiB of stack per level: measured in a WebAssembly instance of 256 MiB, it runs out of
// memory at 10,000 levels, and with 400,000 tokens of the worst kind.
const (
	maxTokens    = 200_000 // of one file: about 600 KiB of HCL, more of what has long texts
	maxAllTokens = 800_000 // of all files
	maxDepth     = 1_000   // nested brackets, and operators in one expression
	maxDigits    = 1_000   // of one number: parsing takes time by the square of it
	// maxMoved bounds the bytes that the parser moves to join the lines of texts: it joins line by line, and moves the
	// rest of the lines each time. A heredoc of some 5,000 lines is that much, and takes it about 1 s.
	maxMoved = 3_000_000_000
)

// A budget is what is left for the files of one template.
type budget struct {
	tokens int
	moved  int
}

func newBudget() *budget { return &budget{maxAllTokens, maxMoved} }

// check refuses a text that is too much for the parser, before the parser sees it.
func (b *budget) check(text []byte, s source) *hcl.Diagnostic {
	bound := measure(text)
	if bound.tokens > maxTokens {
		return refusal(s, hcl.InitialPos, "Configuration too large",
			fmt.Sprintf("The file has more than %d words and signs. Split it, or move long texts into files of their own.", maxTokens))
	}
	if b.tokens -= bound.tokens; b.tokens < 0 {
		return refusal(s, hcl.InitialPos, "Configuration too large",
			fmt.Sprintf("With this file, the root of the template has more than %d words and signs. Move some of it into modules.", maxAllTokens))
	}
	if bound.tokens > maxTokens/10 {
		// In WebAssembly there is one thread, and the collector falls behind a parser that never waits.
		runtime.GC()
	}
	if s.json {
		if bound.depth <= maxDepth && bound.digits <= maxDigits {
			return nil
		}
		return checkJSON(text, s)
	}
	if bound.depth <= maxDepth && bound.digits <= maxDigits && moved(bound.literals, len(text)) <= maxMoved/100 {
		return nil
	}
	return b.checkTokens(text, s)
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

func tooManyLines(s source, at hcl.Pos) *hcl.Diagnostic {
	return refusal(s, at, "Text too long",
		"The texts in the configuration have too many lines up to here. Put them into files, and read those with \"file\".")
}

// bounds are upper bounds, whatever the bytes mean: they hold for strings, comments and code alike, so nothing can be
// hidden from them. They are wide of the mark for long texts, which are then looked at closely.
type bounds struct {
	tokens   int
	depth    int // everything that could open a level
	digits   int // the longest run of what a number may consist of
	literals int // everything that could end a piece of a text
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
		case c == '"' || c == '}' || c == '$' || c == '%':
			b.tokens += 2 // spaces after it may be text
		case c != ' ' && c != '\t':
			b.tokens++
		}
		inWord = letter || digit
		if opens(c, text[i+1:]) {
			b.depth++
		}
		if c == '\n' || c == '$' || c == '%' {
			b.literals++
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

// moved is what the parser moves to join so many pieces of a text.
func moved(pieces, bytes int) int {
	const reference = 16 // bytes
	return pieces * (bytes + pieces*reference) / 2
}

// checkTokens measures the real depth of native syntax on the HCL scanner's own tokens.
func (b *budget) checkTokens(text []byte, s source) *hcl.Diagnostic {
	tokens, _ := hclsyntax.LexConfig(text, s.name, hcl.InitialPos) // the parser reports the same problems
	d := newDepth()
	pieces, bytes := 0, 0
	for i, token := range tokens {
		if d.take(token, tokens[i+1:]); d.total > maxDepth {
			return tooDeep(s, token.Range.Start)
		}
		if token.Type == hclsyntax.TokenNumberLit && len(token.Bytes) > maxDigits {
			return tooLong(s, token.Range.Start)
		}
		if token.Type == hclsyntax.TokenStringLit || token.Type == hclsyntax.TokenQuotedLit {
			pieces, bytes = pieces+1, bytes+len(token.Bytes)
			continue
		}
		if b.moved -= moved(pieces, bytes); b.moved < 0 {
			return tooManyLines(s, token.Range.Start)
		}
		pieces, bytes = 0, 0
	}
	return nil
}
