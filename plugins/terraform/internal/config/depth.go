package config

import "github.com/hashicorp/hcl/v2/hclsyntax"

// depth follows how deep the parser of native syntax is, one frame per open bracket or template.
type depth struct {
	frames  []frame
	total   int                 // all frames and what nests in them
	last    hclsyntax.TokenType // the last one that is neither comment nor line's end
	newline bool                // a line's end came after it
}

// A frame is open until its closing token.
type frame struct {
	closer hclsyntax.TokenType
	// What nests without a bracket: operators, which make a tree as deep as they are many, and template directives.
	chain int
	fors  int // those of chain that are "for" directives
}

// closers of the tokens that open a frame.
var closers = map[hclsyntax.TokenType]hclsyntax.TokenType{
	hclsyntax.TokenOBrace:          hclsyntax.TokenCBrace,
	hclsyntax.TokenOBrack:          hclsyntax.TokenCBrack,
	hclsyntax.TokenOParen:          hclsyntax.TokenCParen,
	hclsyntax.TokenOQuote:          hclsyntax.TokenCQuote,
	hclsyntax.TokenOHeredoc:        hclsyntax.TokenCHeredoc,
	hclsyntax.TokenTemplateInterp:  hclsyntax.TokenTemplateSeqEnd,
	hclsyntax.TokenTemplateControl: hclsyntax.TokenTemplateSeqEnd,
}

func newDepth() *depth { return &depth{frames: []frame{{}}, total: 1} }

// take goes on with the next token; rest is what follows it.
func (d *depth) take(token hclsyntax.Token, rest hclsyntax.Tokens) {
	if token.Type == hclsyntax.TokenComment || token.Type == hclsyntax.TokenNewline {
		// A comment to the end of the line holds the newline.
		d.newline = d.newline || len(token.Bytes) > 0 && token.Bytes[len(token.Bytes)-1] == '\n'
		return
	}
	top := &d.frames[len(d.frames)-1]
	if token.Type == hclsyntax.TokenComma || d.newline && d.itemEnded(token.Type, top) {
		d.nest(top, -top.chain)
		top.fors = 0
	}
	switch {
	case token.Type == hclsyntax.TokenTemplateControl:
		d.directive(top, rest)
	case token.Type == hclsyntax.TokenOBrack || isOperator(token.Type):
		d.nest(top, 1)
	}
	d.last, d.newline = token.Type, false
	if closer, ok := closers[token.Type]; ok {
		d.frames = append(d.frames, frame{closer: closer})
		d.total++
	} else if len(d.frames) > 1 && token.Type == top.closer {
		d.total -= 1 + top.chain
		d.frames = d.frames[:len(d.frames)-1]
	}
}

func (d *depth) nest(f *frame, by int) {
	f.chain += by
	d.total += by
}

// itemEnded tells whether an expression has surely ended at the line's end before next. That can be so in blocks and
// objects only, and, since the parser ignores some lines' ends there as well, only between tokens that are not within
// an expression.
func (d *depth) itemEnded(next hclsyntax.TokenType, f *frame) bool {
	inItems := f.closer == 0 || f.closer == hclsyntax.TokenCBrace
	return inItems && !isWithin(d.last) && !isWithin(next)
}

// directive follows the nesting of template directives, which may be closed in the wrong order.
func (d *depth) directive(f *frame, rest hclsyntax.Tokens) {
	keyword := ""
	if len(rest) > 0 && rest[0].Type == hclsyntax.TokenIdent {
		keyword = string(rest[0].Bytes)
	}
	switch keyword {
	case "else":
	case "endif":
		if f.chain > f.fors {
			d.nest(f, -1)
		}
	case "endfor":
		if f.fors > 0 {
			f.fors--
			d.nest(f, -1)
		}
	case "for":
		f.fors++
		d.nest(f, 1)
	default:
		d.nest(f, 1)
	}
}

// isWithin tells whether a token stands neither at the beginning nor at the end of an expression.
func isWithin(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenColon, hclsyntax.TokenDot, hclsyntax.TokenOBrack, hclsyntax.TokenFatArrow:
		return true
	}
	return isOperator(t)
}

func isOperator(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenPlus, hclsyntax.TokenStar, hclsyntax.TokenSlash,
		hclsyntax.TokenPercent, hclsyntax.TokenQuestion, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual,
		hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq,
		hclsyntax.TokenAnd, hclsyntax.TokenOr:
		return true
	}
	return false
}
