package instrument_test

// stepLimit ends generated programs: past it they trap.
const stepLimit = 20_000

// A generator makes programs out of bytes, any bytes: valid modules with nested blocks, loops, branches ahead and back,
// tables, calls, bulk instructions and traps. Global 0 counts the statements that were run.
type generator struct {
	src    []byte
	fn     int      // the function being made
	labels []uint64 // what each open block is: genBlock or genLoop
	size   int      // statements left
	depth  int
}

const (
	genFuncs  = 4
	genLocals = 5 // the parameter and four more
	genBlock  = 0
	genLoop   = 1
)

// generate makes a module with f0, (i32) -> (i32), and what it calls.
func generate(src []byte) assembly {
	g := &generator{src: src}
	a := assembly{
		types:   [][]byte{{0x60, 1, i32, 1, i32}},
		globals: [][]byte{{i64, 1, 0x42, 0, 0x0b}, {i32, 1, 0x41, 0, 0x0b}},
		exports: [][]byte{join(text("steps"), []byte{3, 0}), join(text("other"), []byte{3, 1})},
		pages:   1, maxPages: 3,
		tables:   [][]byte{{funcref, 1, 8, 12}},
		elements: [][]byte{join([]byte{0}, constI32(0), []byte{0x0b, 4, 1, 2, 3, 1})},
		data:     [][]byte{join([]byte{1}, text("some passive data"))},
	}
	for g.fn = range genFuncs {
		g.size, g.depth, g.labels = 60, 0, nil
		body := join(g.statements(), localGet(uint64(g.next(genLocals))))
		a.funcs = append(a.funcs, function{typ: 2, locals: []byte{genLocals - 1, i32}, body: body})
	}
	return a
}

// next is a number below n.
func (g *generator) next(n int) int {
	if len(g.src) == 0 {
		return 0
	}
	b := int(g.src[0])
	g.src = g.src[1:]
	return b % n
}

func (g *generator) statements() []byte {
	var out []byte
	for n := g.next(6) + 1; n > 0 && g.size > 0; n-- {
		g.size--
		out = join(out, step(), g.statement())
	}
	return out
}

// step counts, and traps past the limit.
func step() []byte {
	return join([]byte{0x23, 0}, constI64(1), []byte{0x7c, 0x24, 0, 0x23, 0}, constI64(stepLimit), []byte{0x55}, ifThen([]byte{0x00}))
}

func (g *generator) statement() []byte {
	if g.depth > 6 {
		return join(g.expr(), localSet(g.local()))
	}
	switch g.next(16) {
	case 0, 1:
		return join(g.expr(), localSet(g.local()))
	case 2:
		return g.in(genBlock, 0x02)
	case 3, 4:
		return g.in(genLoop, 0x03)
	case 5:
		return join(g.expr(), g.in(genBlock, 0x04))
	case 6:
		body := g.in(genBlock, 0x04)
		return join(g.expr(), body[:len(body)-1], []byte{0x05}, g.arm(), []byte{0x0b})
	case 7, 8:
		if len(g.labels) > 0 {
			return join(g.expr(), brIf(g.label()))
		}
	case 9:
		if len(g.labels) > 0 {
			return join(br(g.label()), g.statements()) // what follows is dead
		}
	case 10:
		return g.table()
	case 11:
		return g.dispatch()
	case 12:
		return g.bulk()
	case 13:
		return join(localGet(g.local()), []byte{0x0f})
	case 14:
		return join(g.address(), g.expr(), []byte{0x36, 2, 0}) // i32.store
	case 15:
		return join(repeat(g.next(200), countUp), g.expr(), []byte{0x24, 1})
	}
	return []byte{0x01}
}

// in puts statements into a block.
func (g *generator) in(kind uint64, op byte) []byte {
	g.labels = append(g.labels, kind)
	g.depth++
	body := g.statements()
	g.depth--
	g.labels = g.labels[:len(g.labels)-1]
	return join([]byte{op, 0x40}, body, []byte{0x0b})
}

// arm is the second of an if: the label is there, the block's frame is the caller's.
func (g *generator) arm() []byte {
	body := g.in(genBlock, 0x02)
	return body[2 : len(body)-1]
}

func (g *generator) label() uint64 { return uint64(g.next(len(g.labels))) }
func (g *generator) local() uint64 { return uint64(g.next(genLocals)) }

// table branches anywhere.
func (g *generator) table() []byte {
	if len(g.labels) == 0 {
		return []byte{0x01}
	}
	n := g.next(4)
	out := join(g.expr(), []byte{0x0e}, uleb(uint64(n)))
	for range n + 1 {
		out = append(out, uleb(g.label())...)
	}
	return out
}

// dispatch is how Go's compiler jumps: a loop around blocks, a table, and after each block some statements and jumps.
func (g *generator) dispatch() []byte {
	n, pc := g.next(4)+1, g.local()
	out := []byte{0x03, 0x40}
	g.labels = append(g.labels, genLoop)
	for range n {
		out = append(out, 0x02, 0x40)
		g.labels = append(g.labels, genBlock)
	}
	g.depth++
	out = join(out, localGet(pc), []byte{0x0e}, uleb(uint64(n)))
	for i := range n + 1 {
		out = append(out, uleb(uint64((i*g.next(3))%n))...)
	}
	for left := n; left > 0; left-- {
		g.labels = g.labels[:len(g.labels)-1]
		out = join(out, []byte{0x0b}, g.statements())
		if g.next(2) == 0 {
			out = join(out, step(), g.expr(), ifThen(constI32(int32(g.next(n+2))), localSet(pc), br(uint64(left))))
		} else {
			out = join(out, step(), constI32(int32(g.next(n+2))-1), localSet(pc), br(uint64(left-1)))
		}
	}
	g.depth--
	g.labels = g.labels[:len(g.labels)-1]
	return join(out, []byte{0x0b})
}

func (g *generator) bulk() []byte {
	switch g.next(7) {
	case 0:
		return join(g.address(), g.expr(), g.length(), misc(11, 0)) // memory.fill
	case 1:
		return join(g.address(), g.address(), g.length(), misc(10, 0, 0)) // memory.copy
	case 2:
		return join(g.address(), constI32(int32(g.next(20))), constI32(int32(g.next(20))), misc(8, 0, 0)) // memory.init
	case 3:
		return join(constI32(int32(g.next(3))), []byte{0x40, 0, 0x24, 1}) // memory.grow
	case 4:
		return join([]byte{0xd0, funcref}, constI32(int32(g.next(3))), misc(15, 0), []byte{0x24, 1}) // table.grow
	case 5:
		return join(constI32(int32(g.next(9))), []byte{0xd0, funcref}, constI32(int32(g.next(5))), misc(17, 0)) // table.fill
	default:
		return join(constI32(int32(g.next(9))), constI32(int32(g.next(9))), constI32(int32(g.next(5))), misc(14, 0, 0)) // table.copy
	}
}

// address is mostly within the memory, length mostly small.
func (g *generator) address() []byte { return join(g.expr(), constI32(0xfff8), []byte{0x71}) }

func (g *generator) length() []byte {
	if g.next(20) == 0 {
		return constI32(-1)
	}
	return constI32(int32(g.next(256)) * int32(g.next(64)))
}

// expr leaves an i32.
func (g *generator) expr() []byte {
	if g.depth++; g.depth > 10 {
		g.depth--
		return localGet(g.local())
	}
	defer func() { g.depth-- }()
	switch g.next(9) {
	case 0, 1:
		return localGet(g.local())
	case 2:
		return constI32(int32(g.next(256)) - 100)
	case 3, 4:
		op := []byte{0x6a, 0x6b, 0x6c, 0x71, 0x73, 0x48, 0x4d, 0x6e, 0x70}[g.next(9)] // the last two may trap
		return join(g.expr(), g.expr(), []byte{op})
	case 5:
		return join(g.address(), []byte{0x28, 2, 0}) // i32.load
	case 6:
		if g.fn+1 < genFuncs {
			return join(g.expr(), callFunc(uint64(g.fn+1+g.next(genFuncs-g.fn-1))))
		}
	case 7:
		return join(g.expr(), constI32(int32(g.next(9))), []byte{0x11, 2, 0}) // call_indirect, which may call itself
	case 8:
		return []byte{0x23, 1}
	}
	return join(g.expr(), []byte{0x45})
}
