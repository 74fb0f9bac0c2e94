// Package plainhcl parses HCL's native syntax where it is plain, in a fraction of the time that HCL's own parser takes in a guest: that one makes
// a token of each word and sign, and counts the characters of each, to tell places.
package plainhcl

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// maxText is how many bytes of text may be parsed. A tree takes up to some hundred times the memory of its text.
const maxText = 64 << 10

// Parser parses one text after the other. The zero value works.
type Parser struct{ memory memory }

// Parse makes the tree of what a text begins with: of so many bytes, and up to the end of the attribute or block there, or of the text. It is
// the tree that hclsyntax.ParseConfig makes of so much of the text, without an error; only the places are left out: all of them are zero. length is
// how many bytes of the text that is.
//
// The tree is nil if that is 64 KiB or more, or not plain, which does not mean that there is anything wrong with it: letters beyond ASCII outside of
// texts and comments, directives and marks that trim in templates, numbers with exponents, and some more that is rare. It is there until the next one
// is made, in the same memory.
func (o *Parser) Parse(text string, size int) (tree *hclsyntax.Body, length int) {
	defer func() {
		if r := recover(); r != nil {
			if r != errNotPlain {
				panic(r)
			}
			tree, length = nil, 0
		}
	}()
	o.memory.reset()
	p := parser{text: text[:min(len(text), maxText)], size: size, newlines: true, memory: &o.memory}
	tree = new(hclsyntax.Body)
	if p.body(tree, false); p.at == len(p.text) && p.at < len(text) {
		return nil, 0 // it may go on
	}
	return tree, p.at
}

// errNotPlain is what the parser panics with.
var errNotPlain = errors.New("not plain")

// parser reads on from a place in the text.
type parser struct {
	text     string
	size     int // behind so many bytes, the end of an attribute or block is that of all
	at       int
	newlines bool // a line's end means something here
	depth    int  // how deep the tree is, at most, up to here
	*memory
}

// maxDepth is far from what a guest's stack can take: hundreds of bytes a level, in the parser and in what walks the tree.
const maxDepth = 200

// deeper is called for each level of the tree. Who calls it restores the depth.
func (p *parser) deeper() {
	if p.depth++; p.depth > maxDepth {
		panic(errNotPlain)
	}
}

// byteAt is the byte so many after the next one, or 0 behind the end. No text that is plain has a 0.
func (p *parser) byteAt(offset int) byte {
	if at := p.at + offset; at < len(p.text) {
		return p.text[at]
	}
	return 0
}

// skip leaves out spaces, comments, and the ends of lines where they mean nothing. It returns the byte that comes next: '\n' for the end of a
// line, also behind a comment, and 0 at the end of the text.
func (p *parser) skip() byte {
	for {
		text, at := p.text, p.at // the loop is where most time goes
		for at < len(text) && (text[at] == ' ' || text[at] == '\t') {
			at++
		}
		if p.at = at; at == len(text) {
			return 0
		}
		switch c := text[at]; c {
		case '\r':
			if p.byteAt(1) != '\n' {
				panic(errNotPlain)
			}
			if p.newlines {
				return '\n'
			}
			p.at += 2
		case '\n':
			if p.newlines {
				return c
			}
			p.at++
		case '#':
			p.lineComment()
		case '/':
			switch p.byteAt(1) {
			case '/':
				p.lineComment()
			case '*':
				p.comment()
			default:
				return c
			}
		case 0:
			panic(errNotPlain)
		default:
			return c
		}
	}
}

// lineComment leaves out all up to the end of the line.
func (p *parser) lineComment() {
	if length := strings.IndexByte(p.text[p.at:], '\n'); length >= 0 {
		p.at += length
	} else {
		p.at = len(p.text)
	}
}

func (p *parser) comment() {
	p.at += len("/*")
	length := strings.Index(p.text[p.at:], "*/")
	if length < 0 {
		panic(errNotPlain)
	}
	p.at += length + len("*/")
}

// take reads a sign if it is the next, which skip has returned.
func (p *parser) take(next, sign byte) bool {
	if next != sign {
		return false
	}
	p.at++
	if sign == '\n' && p.text[p.at-1] == '\r' {
		p.at++
	}
	return true
}

// expect reads a sign that has to come next.
func (p *parser) expect(sign byte) {
	if !p.take(p.skip(), sign) {
		panic(errNotPlain)
	}
}

func isDigit(c byte) bool    { return c >= '0' && c <= '9' }
func beginsName(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }

// inName has the bytes that names consist of.
var inName = func() (in [256]bool) {
	for i := range in {
		in[i] = beginsName(byte(i)) || isDigit(byte(i)) || i == '-'
	}
	return in
}()

// name reads a name, or returns "" if none comes next.
func (p *parser) name() string {
	if !beginsName(p.skip()) {
		return ""
	}
	rest := p.text[p.at:]
	end := 1
	for end < len(rest) && inName[rest[end]] {
		end++
	}
	if p.at += end; p.byteAt(0) >= utf8.RuneSelf {
		panic(errNotPlain) // the name may go on
	}
	return rest[:end]
}

// keyword reads a name that has to come next.
func (p *parser) keyword(want string) {
	if p.name() != want {
		panic(errNotPlain)
	}
}

// body reads attributes and blocks, up to a closing brace, or else until it is enough, or the end of the text.
func (p *parser) body(body *hclsyntax.Body, braces bool) {
	body.Attributes = make(hclsyntax.Attributes)
	for {
		switch next := p.skip(); {
		case next == '\n':
			p.take(next, next)
		case next == 0 && !braces:
			return
		case next == '}' && braces:
			p.at++
			return
		case beginsName(next):
			if p.item(body); !braces && p.at >= p.size {
				return
			}
		default:
			panic(errNotPlain)
		}
	}
}

// item reads an attribute or a block, up to the end of its line.
func (p *parser) item(body *hclsyntax.Body) {
	name := p.name()
	if p.equals() {
		p.attribute(name, body)
	} else {
		body.Blocks = append(body.Blocks, p.block(name))
	}
	if next := p.skip(); next != 0 && !p.take(next, '\n') {
		panic(errNotPlain)
	}
}

// equals reads the sign between a name and its value, if it comes next.
func (p *parser) equals() bool {
	if p.skip() != '=' || p.byteAt(1) == '=' || p.byteAt(1) == '>' {
		return false
	}
	p.at++
	return true
}

func (p *parser) attribute(name string, body *hclsyntax.Body) {
	a, others := p.attributes.make(), len(body.Attributes)
	a.Name, a.Expr = name, p.expression()
	if body.Attributes[name] = a; len(body.Attributes) == others {
		panic(errNotPlain) // it is there twice
	}
}

// block reads the rest of a block.
func (p *parser) block(kind string) *hclsyntax.Block {
	depth := p.depth
	p.deeper()
	n := p.blocks.make()
	b := &n.block
	b.Type, b.Labels, b.Body = kind, n.labels[:0], &n.body
	for {
		switch next := p.skip(); {
		case next == '"':
			b.Labels = append(b.Labels, p.label())
		case beginsName(next):
			b.Labels = append(b.Labels, p.name())
		case next == '{':
			p.at++
			p.blockBody(b.Body)
			b.LabelRanges = noPlaces(len(b.Labels))
			p.depth = depth
			return b
		default:
			panic(errNotPlain)
		}
	}
}

// nowhere is what the labels of most blocks share.
var nowhere [3]hcl.Range

// noPlaces are as many places as there are labels, which HCL counts on.
func noPlaces(labels int) []hcl.Range {
	if labels <= len(nowhere) {
		return nowhere[:labels:labels]
	}
	return make([]hcl.Range, labels)
}

// blockBody reads a body behind its opening brace. One that begins in the same line is an attribute at most, and ends there.
func (p *parser) blockBody(body *hclsyntax.Body) {
	if next := p.skip(); next == '\n' || next == '}' {
		p.body(body, true)
		return
	}
	body.Attributes = make(hclsyntax.Attributes)
	name := p.name()
	if name == "" || !p.equals() {
		panic(errNotPlain)
	}
	p.attribute(name, body)
	p.expect('}')
}
