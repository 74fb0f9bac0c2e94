package plainhcl

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// template is a text with expressions in it, piece by piece.
type template []piece

// piece is text or an expression.
type piece struct {
	text       string
	expression hclsyntax.Expression
	beginsLine bool // of a heredoc
}

// tree joins pieces of text. A template that is an expression and nothing else has that one's type.
func (t template) tree() hclsyntax.Expression {
	if len(t) == 1 && t[0].expression != nil {
		return &hclsyntax.TemplateWrapExpr{Wrapped: t[0].expression}
	}
	if len(t) == 0 {
		return textOnly("") // a heredoc without lines
	}
	var parts []hclsyntax.Expression
	for len(t) > 0 {
		if t[0].expression != nil {
			parts = append(parts, t[0].expression)
			t = t[1:]
			continue
		}
		n := 1
		for n < len(t) && t[n].expression == nil {
			n++
		}
		parts = append(parts, &hclsyntax.LiteralValueExpr{Val: cty.StringVal(joined(t[:n]))})
		t = t[n:]
	}
	return &hclsyntax.TemplateExpr{Parts: parts}
}

// textOnly is the tree of a text.
func textOnly(text string) hclsyntax.Expression {
	n := &struct { // in one piece of memory
		template hclsyntax.TemplateExpr
		parts    [1]hclsyntax.Expression
		literal  hclsyntax.LiteralValueExpr
	}{literal: hclsyntax.LiteralValueExpr{Val: cty.StringVal(text)}}
	n.parts[0] = &n.literal
	n.template.Parts = n.parts[:]
	return &n.template
}

func joined(pieces []piece) string {
	if len(pieces) == 1 {
		return pieces[0].text
	}
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(p.text)
	}
	return b.String()
}

// quoted reads a template behind its opening quote.
func (p *parser) quoted() hclsyntax.Expression {
	var t template
	for {
		text := p.plain()
		c := p.byteAt(0)
		switch {
		case c == '"' && t == nil: // as most do
			p.at++
			return textOnly(text)
		case text != "":
			t = append(t, piece{text: text})
		}
		switch c {
		case '"':
			p.at++
			return t.tree()
		case '\\':
			t = append(t, piece{text: p.escape()})
		case '$', '%':
			t = append(t, p.marked(c))
		default:
			panic(errNotPlain) // a line's end, or the text's
		}
	}
}

// plain reads what means itself in quotes.
func (p *parser) plain() string {
	rest := p.text[p.at:]
	end, ascii := 0, true
	for end < len(rest) {
		c := rest[end]
		if c == '"' || c == '\\' || c == '$' || c == '%' || c < ' ' && c != '\t' {
			break
		}
		ascii = ascii && c < utf8.RuneSelf
		end++
	}
	p.at += end
	return p.valid(rest[:end], ascii)
}

// valid refuses text that is no UTF-8.
func (p *parser) valid(text string, ascii bool) string {
	if !ascii && !utf8.ValidString(text) {
		panic(errNotPlain)
	}
	return text
}

// escape reads one of the escapes of a single letter.
func (p *parser) escape() string {
	letter := p.byteAt(1)
	p.at += 2
	switch letter {
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case '"', '\\':
		return p.text[p.at-1 : p.at]
	}
	panic(errNotPlain)
}

// marked reads what begins with a dollar or percent sign: an expression, an escaped one, or the sign itself.
func (p *parser) marked(sign byte) piece {
	begin := p.at
	switch next := p.byteAt(1); {
	case next == '{' && sign == '$':
		p.at += len("${")
		return piece{expression: within(p, false, func() hclsyntax.Expression {
			inside := p.expression()
			p.expect('}')
			return inside
		})}
	case next == sign && p.byteAt(2) == '{':
		p.at += len("$${")
		return piece{text: p.text[begin+1 : p.at]}
	case next == '{', next == '$', next == '%':
		panic(errNotPlain) // a directive, or what two signs mean
	}
	p.at++
	return piece{text: p.text[begin:p.at]}
}

// label reads a quoted text that means itself.
func (p *parser) label() string {
	p.at++
	label := p.plain()
	if p.byteAt(0) != '"' {
		panic(errNotPlain)
	}
	p.at++
	return label
}

// heredoc reads a template in lines of its own, up to the end of the line that holds its marker.
func (p *parser) heredoc() hclsyntax.Expression {
	if p.byteAt(1) != '<' {
		panic(errNotPlain)
	}
	p.at += len("<<")
	indented := p.byteAt(0) == '-'
	if indented {
		p.at++
	}
	if !beginsName(p.byteAt(0)) {
		panic(errNotPlain)
	}
	marker := p.name()
	if next := p.byteAt(0); next != '\n' && next != '\r' {
		panic(errNotPlain)
	}
	within(p, true, func() bool { return p.take(p.skip(), '\n') })
	var t template
	for !p.atMarker(marker) {
		t = p.line(t, indented)
	}
	if indented {
		t.unindent()
	}
	return t.tree()
}

// atMarker says whether the line holds nothing but the marker, and leaves that out.
func (p *parser) atMarker(marker string) bool {
	length := strings.IndexByte(p.text[p.at:], '\n')
	if length < 0 {
		panic(errNotPlain)
	}
	line := strings.TrimSuffix(p.text[p.at:p.at+length], "\r")
	switch {
	case strings.TrimSpace(line) != marker:
		return false
	case strings.Contains(line, "\r"):
		panic(errNotPlain)
	}
	p.at += len(line)
	return true
}

// line reads a line of a heredoc, with its end.
func (p *parser) line(t template, indented bool) template {
	first := len(t)
	if indented {
		p.checkIndent()
	}
	for {
		begin, ascii := p.at, true
		c := p.byteAt(0)
		for ; c != '\n' && c != '$' && c != '%'; c = p.byteAt(0) {
			if c < ' ' && c != '\t' && (c != '\r' || p.byteAt(1) != '\n') {
				panic(errNotPlain)
			}
			ascii = ascii && c < utf8.RuneSelf
			p.at++
		}
		if c == '\n' {
			p.at++
		}
		if p.at > begin {
			t = append(t, piece{text: p.valid(p.text[begin:p.at], ascii)})
		}
		if c == '\n' {
			t[first].beginsLine = true
			return t
		}
		t = append(t, p.marked(c))
	}
}

// indent is how many bytes of a text are spaces and tabs.
func indent(text string) int { return len(text) - len(strings.TrimLeft(text, " \t")) }

// checkIndent refuses a line whose indent may go on with other kinds of spaces.
func (p *parser) checkIndent() {
	at := p.at
	for at < len(p.text) && (p.text[at] == ' ' || p.text[at] == '\t') {
		at++
	}
	if at < len(p.text) && p.text[at] >= utf8.RuneSelf {
		panic(errNotPlain)
	}
}

// unindent takes from all lines what the line has that is indented least. Lines of nothing but spaces don't count, and keep them.
func (t template) unindent() {
	least := math.MaxInt
	for _, p := range t {
		if p.beginsLine && !p.blank() {
			least = min(least, indent(p.text))
		}
	}
	for i, p := range t {
		if p.beginsLine && !p.blank() {
			t[i].text = p.text[least:]
		}
	}
}

// blank says whether a piece is a line of nothing but spaces.
func (p piece) blank() bool {
	rest := p.text[indent(p.text):]
	return rest == "\n" || rest == "\r\n"
}
