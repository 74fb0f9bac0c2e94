package instrument

import "slices"

// memory.fill and memory.copy are one instruction each, whatever their length, and nothing interrupts them. So the module gets
// two more functions that do them in pieces, each with its charge, and calls these instead. Like the instructions they write
// nothing if the whole does not fit into the memory.
const (
	pieceBytes = 1 << 20
	fillFunc   = 0
	copyFunc   = 1
	bulkFuncs  = 2
)

// The locals of both functions: where to, the value or where from, the length, and the new one that every function has.
const (
	localTo     = 0
	localFrom   = 1
	localLength = 2
	localFuel   = 3
)

var (
	memoryFill = []byte{opMisc, miscMemoryFill, 0}
	memoryCopy = []byte{opMisc, miscMemoryCopy, 0, 0}
)

// hasBulk tells whether the two functions are there: they need a memory, and somebody to call them.
func (w *writer) hasBulk() bool { return w.survey.memory && len(w.survey.funcs) > 0 }

// bulkFunc is the number of one of the two. They come after all others.
func (w *writer) bulkFunc(which uint32) uint32 {
	return w.shift(w.survey.importedFuncs+uint32(len(w.survey.funcs))) + which
}

// bulkFunctions appends the two to the code section.
func (c *codeWriter) bulkFunctions(w *writer) {
	c.w, c.locals = w, localFuel
	for _, body := range [][]byte{c.fill(), c.copy()} {
		body = slices.Concat([]byte{1, 1, typeI64}, body, []byte{opEnd})
		w.out = append(appendU32(w.out, uint32(len(body))), body...)
	}
}

// fill is
//
//	if length <= piece { charge(length); memory.fill; return }
//	if to + length > size { memory.fill; return } // it traps
//	while length > piece { charge(piece); fill a piece; to += piece; length -= piece }
//	charge(piece); memory.fill
func (c *codeWriter) fill() []byte {
	return slices.Concat(
		c.short(memoryFill),
		misfit(localTo, memoryFill),
		c.pieces(get(localTo), get(localFrom), constant(pieceBytes), memoryFill, advance(localTo), shorten),
		c.appendCharge(nil, pieceBytes>>eightBytesPerUnit), whole(memoryFill),
	)
}

// copy is the same, with the pieces from the end if the end would be overwritten otherwise.
func (c *codeWriter) copy() []byte {
	return slices.Concat(
		c.short(memoryCopy),
		misfit(localTo, memoryCopy),
		misfit(localFrom, memoryCopy),
		get(localTo), get(localFrom), []byte{opI32GtU, opIf, blockVoid},
		c.pieces(shorten, past(localTo), past(localFrom), constant(pieceBytes), memoryCopy),
		[]byte{opElse},
		c.pieces(get(localTo), get(localFrom), constant(pieceBytes), memoryCopy, advance(localTo), advance(localFrom), shorten),
		[]byte{opEnd},
		c.appendCharge(nil, pieceBytes>>eightBytesPerUnit), whole(memoryCopy),
	)
}

// short does it at once and returns if it is not more than a piece.
func (c *codeWriter) short(op []byte) []byte {
	return slices.Concat(get(localLength), constant(pieceBytes), []byte{opI32LeU, opIf, blockVoid},
		get(localLength), c.chargeLength(), whole(op), []byte{opReturn, opEnd})
}

// chargeLength charges by the length on top of the stack, and takes it off.
func (c *codeWriter) chargeLength() []byte {
	b := c.appendBulkCharge(nil, eightBytesPerUnit, bulkCost)
	return append(b, opDrop)
}

// misfit lets the instruction trap if what begins there does not fit into the memory.
func misfit(local byte, op []byte) []byte {
	return slices.Concat(get(local), []byte{opI64ExtendU}, get(localLength), []byte{opI64ExtendU, opI64Add},
		[]byte{opMemorySize, 0, opI64ExtendU, opI64Const, 16, opI64Shl, opI64GtU, opIf, blockVoid},
		whole(op), []byte{opReturn, opEnd})
}

// pieces does something while more than a piece is left.
func (c *codeWriter) pieces(body ...[]byte) []byte {
	return slices.Concat([]byte{opLoop, blockVoid}, get(localLength), constant(pieceBytes), []byte{opI32GtU, opIf, blockVoid},
		c.appendCharge(nil, pieceBytes>>eightBytesPerUnit), slices.Concat(body...), []byte{opBr, 1, opEnd, opEnd})
}

// whole does what is left at once.
func whole(op []byte) []byte {
	return slices.Concat(get(localTo), get(localFrom), get(localLength), op)
}

var shorten = slices.Concat(get(localLength), constant(pieceBytes), []byte{opI32Sub, opLocalSet, localLength})

func advance(local byte) []byte {
	return slices.Concat(get(local), constant(pieceBytes), []byte{opI32Add, opLocalSet, local})
}

// past is the place that far behind.
func past(local byte) []byte { return slices.Concat(get(local), get(localLength), []byte{opI32Add}) }

func get(local byte) []byte { return []byte{opLocalGet, local} }

func constant(v int64) []byte { return appendS64([]byte{opI32Const}, v) }
