package instrument

// segment is the most that straight-line code runs up before it is charged.
const segment = 1000

// A codeWriter rewrites one function after the other.
//
// It charges ways, not text. At each instruction, run is the most that can have been run up since the last charge on
// whichever way led here: where ways meet, the longest counts. A way back to a loop's head is charged before it is taken, so
// that run need not include what came around. What is left where the function calls another, and at its end, is charged at
// its entry, beforehand.
type codeWriter struct {
	w      *writer
	r      *reader
	body   []byte // what is written so far
	copied int    // how much of the old body is in it
	locals uint32 // parameters included
	run    uint32
	labels []label

	jump       jump
	dispatches []dispatch
	targets    []uint32 // of all dispatches
	expected   int      // how many blocks follow that belong to the last dispatch
}

// A label is an open block. There may be millions.
type label struct {
	kind     byte   // opBlock, opLoop, opIf, opElse
	longest  uint32 // the longest way to its end so far
	start    uint32 // of an opIf: the way to it, which may go round it
	dispatch int32  // which one it belongs to, counted from 1: it is the loop, or one of the blocks
}

// rewrite appends the new function, its size and all, to the module.
func (c *codeWriter) rewrite(w *writer, r *reader, params uint32) {
	groups := r.count(2)
	start := r.pos
	sum := uint64(params)
	for n := groups; n > 0 && r.err == nil; n-- {
		sum += uint64(r.u32())
		r.valueType()
	}
	if sum > maxLocals {
		r.failf("%d locals, at most %d are taken", sum, maxLocals)
	}
	declared := r.data[start:r.pos]
	c.w, c.r, c.body, c.copied, c.locals, c.run = w, r, c.body[:0], r.pos, uint32(sum), 0
	c.labels = append(c.labels[:0], label{kind: opBlock})
	c.jump, c.dispatches, c.targets, c.expected = jump{}, c.dispatches[:0], c.targets[:0], 0
	for len(c.labels) > 0 && r.err == nil {
		c.instruction()
	}
	r.done()
	if r.err != nil {
		return
	}
	c.flush(r.pos)
	c.assemble(groups, declared)
}

// assemble puts the function together: its size, its locals and one more, the charge at the entry, the body.
func (c *codeWriter) assemble(groups uint32, declared []byte) {
	entry := c.appendCharge(nil, 1+c.run)
	locals := appendU32(nil, groups+1)
	size := len(locals) + len(declared) + 2 + len(entry) + len(c.body)
	c.w.out = appendU32(c.w.out, uint32(size))
	c.w.out = append(append(c.w.out, locals...), declared...)
	c.w.out = append(c.w.out, 1, typeI64)
	c.w.out = append(append(c.w.out, entry...), c.body...)
}

// instruction copies the next one, with a charge before it where one is due.
func (c *codeWriter) instruction() {
	at := c.r.pos
	if c.run >= segment {
		c.charge(at)
	}
	op := c.r.byte()
	in := instructions[op]
	c.run += uint32(in.cost)
	c.jump.step(op)
	switch in.operands {
	case control:
		c.control(op, at)
	case localIndex:
		if c.jump.local = c.r.u32(); c.jump.local >= c.locals {
			c.r.failf("local %d, of %d", c.jump.local, c.locals)
		}
	case globalIndex:
		i := c.r.u32()
		if i >= c.w.survey.globals {
			c.r.failf("global %d, of %d", i, c.w.survey.globals)
		}
		if op == opGlobalSet && c.w.state != nil && c.w.state.references[i] {
			c.touch(at)
		}
	case zeroByte:
		if op == opMemoryGrow {
			c.bulk(at, bytesPerPage, growCost)
		}
		c.zero()
	case i32Const:
		c.jump.to = uint32(c.r.signed(32))
	case funcIndex:
		c.reference(op, at)
	case prefix:
		if op == opMisc {
			c.misc(at)
		} else {
			c.vec()
		}
	case index: // table.get, table.set
		c.noCall()
		c.r.u32()
		if op == opTableSet {
			c.touch(at)
		}
	case unknown:
		c.r.failf("the instruction %#x, which WebAssembly 2.0 does not have", op)
	default:
		c.r.operands(in.operands)
	}
}

// reference copies a call or a ref.func, with the function's new number.
func (c *codeWriter) reference(op byte, at int) {
	if op == opCall {
		c.pending()
	}
	f := c.w.function(c.r)
	c.flush(at)
	c.body = appendU32(append(c.body, op), f)
	c.copied = c.r.pos
}

// zero reads the number of the memory, of which there is one.
func (c *codeWriter) zero() {
	if c.r.byte() != 0 {
		c.r.failf("a second memory")
	}
}

// control reads what changes the way.
func (c *codeWriter) control(op byte, at int) {
	switch op {
	case opBlock, opLoop, opIf:
		c.blockType()
		c.labels = append(c.labels, label{kind: op, start: c.run})
		c.openDispatch(op)
	case opElse:
		top := &c.labels[len(c.labels)-1]
		if top.kind != opIf {
			c.r.failf("an else without an if")
		}
		top.kind, top.longest, c.run = opElse, max(top.longest, c.run), top.start
	case opEnd:
		top := c.labels[len(c.labels)-1]
		c.labels = c.labels[:len(c.labels)-1]
		c.closeDispatch(top)
		c.run = max(c.run, top.longest)
		if top.kind == opIf {
			c.run = max(c.run, top.start)
		}
	case opBr:
		c.branch(c.ahead(c.r.u32(), at), at)
		c.run = 0 // nothing comes this way
	case opBrIf:
		c.branch(c.r.u32(), at)
	case opBrTable:
		c.table(at)
		c.run = 0
	case opReturn:
		c.pending()
		c.run = 0
	case opCallIndirect:
		c.callee(at)
		c.pending()
		if t := c.r.u32(); int64(t) >= int64(len(c.w.survey.params)) {
			c.r.failf("type %d, of %d", t, len(c.w.survey.params))
		}
		c.r.u32()
	}
}

// pending has the entry charge for the way to this place, where the function returns, or calls another and may be a long time
// in coming back: a deep recursion has run up as much in each of its calls.
func (c *codeWriter) pending() { c.labels[0].longest = max(c.labels[0].longest, c.run) }

// blockType reads what a block takes and leaves: nothing, a value, or a type's number.
func (c *codeWriter) blockType() {
	switch t := c.r.signed(33); {
	case t >= int64(len(c.w.survey.params)):
		c.r.failf("a block of type %d, of %d", t, len(c.w.survey.params))
	case t == -29, t == -28: // the long forms of references
		c.r.signed(33)
	}
}

// target is the label that many blocks out.
func (c *codeWriter) target(depth uint32) *label {
	if int64(depth) >= int64(len(c.labels)) {
		c.r.failf("a branch out of %d blocks, of %d", depth, len(c.labels))
		return &c.labels[0]
	}
	return &c.labels[len(c.labels)-1-int(depth)]
}

// branch charges a way back, and takes note of one ahead.
func (c *codeWriter) branch(depth uint32, at int) {
	target := c.target(depth)
	if target.kind == opLoop {
		c.charge(at)
		return
	}
	target.longest = max(target.longest, c.run)
}

// table reads a br_table, and charges it as a whole if one of its ways goes back.
func (c *codeWriter) table(at int) {
	n := c.r.count(1)
	start := c.r.pos
	back := false
	for i := uint32(0); i <= n && c.r.err == nil; i++ {
		if c.target(c.r.u32()).kind == opLoop {
			back = true
		}
	}
	if back {
		c.charge(at) // all its ways begin with nothing now
		return
	}
	for again := (reader{data: c.r.data, pos: start}); again.pos < c.r.pos && c.r.err == nil; {
		target := c.target(again.u32())
		target.longest = max(target.longest, c.run)
	}
}

// misc reads what is behind the prefix, and puts a charge before the bulk instructions.
func (c *codeWriter) misc(at int) {
	op := c.r.u32()
	switch op {
	case miscMemoryInit:
		c.bulk(at, eightBytesPerUnit, bulkCost)
		c.r.u32()
		c.zero()
	case miscMemoryCopy:
		c.zero()
		c.zero()
		c.replace(at, copyFunc)
	case miscMemoryFill:
		c.zero()
		c.replace(at, fillFunc)
	case miscTableInit, miscTableCopy:
		c.noCall()
		c.touch(at)
		c.bulk(at, entryPerUnit, bulkCost)
		c.r.u32()
		c.r.u32()
	case miscTableGrow:
		c.noCall()
		c.touch(at)
		c.bulk(at, entryPerUnit, growCost)
		c.r.u32()
	case miscTableFill:
		c.noCall()
		c.touch(at)
		c.bulk(at, entryPerUnit, bulkCost)
		c.r.u32()
	case miscDataDrop, miscElemDrop:
		c.touch(at)
		c.r.u32()
	case miscTableSize:
		c.r.u32()
	default:
		if op > miscTruncSatLast {
			c.r.failf("the instruction 0xfc %#x, which WebAssembly 2.0 does not have", op)
		}
	}
}

// replace calls a function instead of an instruction. Without a memory the instruction is invalid anyway.
func (c *codeWriter) replace(at int, which uint32) {
	if c.w.hasBulk() {
		c.flush(at)
		c.body = appendU32(append(c.body, opCall), c.w.bulkFunc(which))
		c.copied = c.r.pos
	}
}

// vec reads a SIMD instruction. Its number is in LEB128, but wazero takes one byte, and the second of the high numbers, which
// is always 1, for a nop. Another second byte would be another instruction for it, so none is taken.
func (c *codeWriter) vec() {
	op := c.r.byte()
	if op >= 0x80 && c.r.byte() != 1 {
		c.r.failf("the SIMD instruction %#x in an unusual encoding", op)
	}
	memory, lanes := vecOperands(op)
	if memory {
		c.run += memoryCost
		c.r.u32()
		c.r.u32()
	}
	c.r.bytes(lanes)
}

// flush copies the old body up to a point.
func (c *codeWriter) flush(to int) {
	c.body = append(c.body, c.r.data[c.copied:to]...)
	c.copied = to
}
