package instrument

// The instructions that are written here or need more than their operands read.
const (
	opUnreachable  = 0x00
	opNop          = 0x01
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opDrop         = 0x1a
	opSelectTyped  = 0x1c
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opTableSet     = 0x26
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI32GtU       = 0x4b
	opI32LeU       = 0x4d
	opI64LtS       = 0x53
	opI64GtU       = 0x56
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI32DivU      = 0x6e
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64Shl       = 0x86
	opI64ShrU      = 0x88
	opI32WrapI64   = 0xa7
	opI64ExtendU   = 0xad
	opRefNull      = 0xd0
	opRefFunc      = 0xd2
	opMisc         = 0xfc
	opVec          = 0xfd

	typeI32     = 0x7f
	typeI64     = 0x7e
	typeFuncref = 0x70
	blockVoid   = 0x40
	vecConst    = 0x0c
)

// Those behind the prefix opMisc.
const (
	miscTruncSatLast = 7
	miscMemoryInit   = 8
	miscDataDrop     = 9
	miscMemoryCopy   = 10
	miscMemoryFill   = 11
	miscTableInit    = 12
	miscElemDrop     = 13
	miscTableCopy    = 14
	miscTableGrow    = 15
	miscTableSize    = 16
	miscTableFill    = 17
)

// memoryCost is what a load or a store costs. It is a hundred times as long when the processor's caches miss, but they rarely
// do: this leaves a guest that chases pointers through its whole memory with some thirty times as long for its fuel as others.
const memoryCost = 4

// operands says what follows an instruction's first byte.
type operands byte

const (
	unknown operands = iota
	none
	control    // of its own kind each, see codeWriter
	localIndex // of a local
	globalIndex
	index // of a table
	memoryArg
	zeroByte
	i32Const
	i64Const
	fourBytes
	eightBytes
	typeVector
	refType
	funcIndex
	prefix
)

// An instruction is what follows its first byte and what it costs. What moves values around costs nothing: compiled, there
// is nothing left of it.
type instruction struct {
	operands operands
	cost     byte
}

// instructions are those of one byte, as WebAssembly 2.0 numbers them.
var instructions = func() (table [256]instruction) {
	set := func(from, to byte, o operands, cost byte) {
		for op := int(from); op <= int(to); op++ {
			table[op] = instruction{o, cost}
		}
	}
	set(opUnreachable, opNop, none, 0)
	set(opBlock, opLoop, control, 0)
	set(opIf, opElse, control, 1)
	set(opEnd, opEnd, control, 0)
	set(opBr, opBrIf, control, 1)
	set(opBrTable, opBrTable, control, 3)
	set(opReturn, opReturn, control, 1)
	set(opCall, opCall, funcIndex, 4)
	set(opCallIndirect, opCallIndirect, control, 8)
	set(opDrop, opDrop, none, 0)
	set(0x1b, 0x1b, none, 1) // select
	set(opSelectTyped, opSelectTyped, typeVector, 1)
	set(opLocalGet, opLocalTee, localIndex, 0)
	set(opGlobalGet, opGlobalSet, globalIndex, 1)
	set(0x25, 0x26, index, 3)              // table.get, table.set
	set(0x28, 0x3e, memoryArg, memoryCost) // loads, stores
	set(opMemorySize, opMemorySize, zeroByte, 2)
	set(opMemoryGrow, opMemoryGrow, zeroByte, 0) // charged by length
	set(opI32Const, opI32Const, i32Const, 0)
	set(opI64Const, opI64Const, i64Const, 0)
	set(opF32Const, opF32Const, fourBytes, 0)
	set(opF64Const, opF64Const, eightBytes, 0)
	set(0x45, 0xc4, none, 1) // comparisons, arithmetic, conversions
	for _, op := range []byte{0x6d, 0x6e, 0x6f, 0x70, 0x7f, 0x80, 0x81, 0x82} {
		table[op].cost = 10 // divisions, remainders
	}
	for _, op := range []byte{0x91, 0x95, 0x9f, 0xa3} {
		table[op].cost = 5 // square roots and divisions of floats
	}
	set(opRefNull, opRefNull, refType, 0)
	set(0xd1, 0xd1, none, 1) // ref.is_null
	set(opRefFunc, opRefFunc, funcIndex, 2)
	set(opMisc, opVec, prefix, 2)
	return table
}()

// operands reads those that are copied as they are.
func (r *reader) operands(o operands) {
	switch o {
	case memoryArg:
		r.u32()
		r.u32()
	case i64Const:
		r.signed(64)
	case fourBytes:
		r.bytes(4)
	case eightBytes:
		r.bytes(8)
	case refType:
		r.signed(33)
	case typeVector:
		for n := r.count(1); n > 0 && r.err == nil; n-- {
			r.valueType()
		}
	}
}

// vecOperands is what follows a SIMD instruction: the operands of a memory access, and so many bytes of lanes or constants.
func vecOperands(op byte) (memory bool, lanes int) {
	switch {
	case op <= 0x0b, op == 0x5c, op == 0x5d:
		return true, 0
	case op == vecConst, op == 0x0d: // v128.const, i8x16.shuffle
		return false, 16
	case op >= 0x15 && op <= 0x22: // extract and replace a lane
		return false, 1
	case op >= 0x54 && op <= 0x5b: // load and store a lane
		return true, 1
	}
	return false, 0
}
