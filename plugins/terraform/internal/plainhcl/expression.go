package plainhcl

import (
	"math/big"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// expression reads an expression.
func (p *parser) expression() hclsyntax.Expression {
	depth := p.depth
	p.deeper()
	e := p.operation(1)
	if p.take(p.skip(), '?') {
		yes := p.expression()
		p.colon()
		e = &hclsyntax.ConditionalExpr{Condition: e, TrueResult: yes, FalseResult: p.expression()}
	}
	p.depth = depth
	return e
}

// colon reads a colon that has to come next, and is not two of them.
func (p *parser) colon() {
	if p.expect(':'); p.byteAt(0) == ':' {
		panic(errNotPlain)
	}
}

// within reads something in which lines' ends mean something, or mean nothing.
func within[T any](p *parser, newlines bool, read func() T) T {
	outside := p.newlines
	p.newlines = newlines
	result := read()
	p.newlines = outside
	return result
}

// operation reads operands, as long as the operators between them bind as much as the level says, or more.
func (p *parser) operation(level int) hclsyntax.Expression {
	left := p.operand()
	for {
		op, length, binds := p.operator()
		if binds < level {
			return left
		}
		p.at += length
		p.deeper()
		left = &hclsyntax.BinaryOpExpr{LHS: left, Op: op, RHS: p.operation(binds + 1)}
	}
}

// operator is the one that comes next, its length, and how much it binds: 0 if none comes next.
func (p *parser) operator() (op *hclsyntax.Operation, length, binds int) {
	switch next := p.skip(); next {
	case ',', '}', '\n', ')', ']': // nearly always
	case '|':
		if p.byteAt(1) == '|' {
			return hclsyntax.OpLogicalOr, 2, 1
		}
	case '&':
		if p.byteAt(1) == '&' {
			return hclsyntax.OpLogicalAnd, 2, 2
		}
	case '=':
		if p.byteAt(1) == '=' {
			return hclsyntax.OpEqual, 2, 3
		}
	case '!':
		if p.byteAt(1) == '=' {
			return hclsyntax.OpNotEqual, 2, 3
		}
	case '<':
		if p.byteAt(1) == '=' {
			return hclsyntax.OpLessThanOrEqual, 2, 4
		}
		return hclsyntax.OpLessThan, 1, 4
	case '>':
		if p.byteAt(1) == '=' {
			return hclsyntax.OpGreaterThanOrEqual, 2, 4
		}
		return hclsyntax.OpGreaterThan, 1, 4
	case '+':
		return hclsyntax.OpAdd, 1, 5
	case '-':
		return hclsyntax.OpSubtract, 1, 5
	case '*':
		return hclsyntax.OpMultiply, 1, 6
	case '/':
		return hclsyntax.OpDivide, 1, 6
	case '%':
		return hclsyntax.OpModulo, 1, 6
	}
	return nil, 0, 0
}

// operand reads a term and what is looked up in it.
func (p *parser) operand() hclsyntax.Expression { return p.lookups(p.term()) }

// lookups reads what is looked up in a value.
func (p *parser) lookups(in hclsyntax.Expression) hclsyntax.Expression {
	for {
		switch next := p.skip(); {
		case next == '.' && p.byteAt(1) == '.':
			if p.byteAt(2) != '.' {
				panic(errNotPlain)
			}
			return in // an ellipsis
		case next == '.':
			p.at++
			name := p.name()
			if name == "" {
				panic(errNotPlain)
			}
			in = lookup(in, p.attr(name))
		case next == '[':
			p.at++
			if p.take(p.skip(), '*') {
				return p.splat(in)
			}
			in = p.index(in)
		default:
			return in
		}
	}
}

// lookup adds a step to an expression.
func lookup(in hclsyntax.Expression, step hcl.Traverser) hclsyntax.Expression {
	switch in := in.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		in.Traversal = append(in.Traversal, step)
		return in
	case *hclsyntax.RelativeTraversalExpr:
		in.Traversal = append(in.Traversal, step)
		return in
	}
	return &hclsyntax.RelativeTraversalExpr{Source: in, Traversal: hcl.Traversal{step}}
}

// splat reads the rest of [*], and what is looked up in each element.
func (p *parser) splat(in hclsyntax.Expression) hclsyntax.Expression {
	p.deeper()
	p.expect(']')
	each := &hclsyntax.AnonSymbolExpr{}
	return &hclsyntax.SplatExpr{Source: in, Item: each, Each: p.lookups(each)}
}

// index reads the rest of an index.
func (p *parser) index(in hclsyntax.Expression) hclsyntax.Expression {
	p.deeper()
	key := within(p, false, func() hclsyntax.Expression {
		key := p.expression()
		p.expect(']')
		return key
	})
	switch fixed := key.(type) {
	case *hclsyntax.LiteralValueExpr:
		return lookup(in, hcl.TraverseIndex{Key: fixed.Val})
	case *hclsyntax.TemplateExpr:
		if fixed.IsStringLiteral() {
			return lookup(in, hcl.TraverseIndex{Key: fixed.Parts[0].(*hclsyntax.LiteralValueExpr).Val})
		}
	}
	return &hclsyntax.IndexExpr{Collection: in, Key: key}
}

// term reads what operators and lookups are applied to.
func (p *parser) term() hclsyntax.Expression {
	switch next := p.skip(); {
	case next == '"':
		p.at++
		return p.quoted()
	case next == '<':
		return p.heredoc()
	case beginsName(next):
		return p.named(p.name())
	case isDigit(next):
		return p.number()
	case next == '[':
		p.at++
		return within(p, false, p.tuple)
	case next == '{':
		p.at++
		return p.object()
	case next == '(':
		p.at++
		return within(p, false, func() hclsyntax.Expression {
			inside := p.expression()
			p.expect(')')
			return &hclsyntax.ParenthesesExpr{Expression: inside}
		})
	case next == '-':
		return p.unary(hclsyntax.OpNegate)
	case next == '!':
		return p.unary(hclsyntax.OpLogicalNot)
	}
	panic(errNotPlain)
}

func (p *parser) unary(op *hclsyntax.Operation) hclsyntax.Expression {
	p.at++
	p.deeper()
	return &hclsyntax.UnaryOpExpr{Op: op, Val: p.operand()}
}

// named is what a name means: a value, a call or a reference.
func (p *parser) named(name string) hclsyntax.Expression {
	switch next := p.skip(); {
	case next == '(':
		p.at++
		return within(p, false, func() hclsyntax.Expression { return p.call(name) })
	case next == ':' && p.byteAt(1) == ':':
		panic(errNotPlain)
	}
	switch name {
	case "true":
		return &hclsyntax.LiteralValueExpr{Val: cty.True}
	case "false":
		return &hclsyntax.LiteralValueExpr{Val: cty.False}
	case "null":
		return &hclsyntax.LiteralValueExpr{Val: cty.NullVal(cty.DynamicPseudoType)}
	}
	n := p.references.make()
	n.steps[0] = p.root(name)
	n.reference.Traversal = n.steps[:1]
	return &n.reference
}

// call reads the arguments of a function.
func (p *parser) call(name string) hclsyntax.Expression {
	call := &hclsyntax.FunctionCallExpr{Name: name}
	for {
		if p.take(p.skip(), ')') {
			return call
		}
		call.Args = append(call.Args, p.expression())
		if p.ellipsis() {
			call.ExpandFinal = true
			p.expect(')')
			return call
		}
		switch next := p.skip(); {
		case p.take(next, ','):
		case next != ')':
			panic(errNotPlain)
		}
	}
}

// ellipsis reads three dots if they come next.
func (p *parser) ellipsis() bool {
	if p.skip() != '.' || p.byteAt(1) != '.' || p.byteAt(2) != '.' {
		return false
	}
	p.at += len("...")
	return true
}

// tuple reads a list behind its opening bracket.
func (p *parser) tuple() hclsyntax.Expression {
	if p.isFor() {
		return p.forExpression(']')
	}
	tuple := &hclsyntax.TupleConsExpr{}
	for {
		if p.take(p.skip(), ']') {
			return tuple
		}
		tuple.Exprs = append(tuple.Exprs, p.expression())
		switch next := p.skip(); {
		case p.take(next, ','):
		case next != ']':
			panic(errNotPlain)
		}
	}
}

// object reads an object behind its opening brace. Its lines' ends mean something, but not those before and in a for expression.
func (p *parser) object() hclsyntax.Expression {
	if within(p, false, p.isFor) {
		return within(p, false, func() hclsyntax.Expression { return p.forExpression('}') })
	}
	return within(p, true, p.items)
}

// items reads those of an object.
func (p *parser) items() hclsyntax.Expression {
	n := p.objects.make()
	object := &n.object
	object.Items = n.items[:0]
	for {
		next := p.skip()
		switch {
		case p.take(next, '\n'):
			continue
		case p.take(next, '}'):
			return object
		}
		key := p.keys.make()
		key.ForceNonLiteral, key.Wrapped = next == '(', p.expression()
		if !p.equals() {
			p.colon()
		}
		object.Items = append(object.Items, hclsyntax.ObjectConsItem{KeyExpr: key, ValueExpr: p.expression()})
		switch next := p.skip(); {
		case p.take(next, ','), p.take(next, '\n'):
		case next != '}':
			panic(errNotPlain)
		}
	}
}

// isFor reads the first word of a for expression, if it comes next; otherwise nothing but what means nothing.
func (p *parser) isFor() bool {
	if p.skip() != 'f' {
		return false
	}
	begin := p.at
	if p.name() == "for" {
		return true
	}
	p.at = begin
	return false
}

// forExpression reads the rest of a for expression.
func (p *parser) forExpression(end byte) hclsyntax.Expression {
	f := &hclsyntax.ForExpr{ValVar: p.name()}
	if p.take(p.skip(), ',') {
		f.KeyVar, f.ValVar = f.ValVar, p.name()
		if f.KeyVar == "" {
			panic(errNotPlain)
		}
	}
	if f.ValVar == "" {
		panic(errNotPlain)
	}
	p.keyword("in")
	f.CollExpr = p.expression()
	p.colon()
	f.ValExpr = p.expression()
	if end == '}' {
		if p.skip() != '=' || p.byteAt(1) != '>' {
			panic(errNotPlain)
		}
		p.at += len("=>")
		f.KeyExpr, f.ValExpr = f.ValExpr, p.expression()
		f.Group = p.ellipsis()
	}
	if p.skip() == 'i' {
		p.keyword("if")
		f.CondExpr = p.expression()
	}
	p.expect(end)
	return f
}

// number reads a number without an exponent.
func (p *parser) number() hclsyntax.Expression {
	const maxLength = 18  // that an int64 has for sure
	const precision = 512 // as cty.ParseNumberVal has it
	begin := p.at
	for isDigit(p.byteAt(0)) {
		p.at++
	}
	fraction := p.byteAt(0) == '.' && isDigit(p.byteAt(1))
	if fraction {
		for p.at++; isDigit(p.byteAt(0)); {
			p.at++
		}
	}
	text := p.text[begin:p.at]
	if next := p.byteAt(0); beginsName(next) || next == '.' || next >= utf8.RuneSelf || len(text) > maxLength {
		panic(errNotPlain)
	}
	if fraction {
		value, err := cty.ParseNumberVal(text)
		if err != nil {
			panic(errNotPlain)
		}
		return &hclsyntax.LiteralValueExpr{Val: value}
	}
	var n int64
	for _, c := range []byte(text) {
		n = 10*n + int64(c-'0')
	}
	return &hclsyntax.LiteralValueExpr{Val: cty.NumberVal(new(big.Float).SetPrec(precision).SetInt64(n))}
}
