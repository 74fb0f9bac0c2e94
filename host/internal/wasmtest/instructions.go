package wasmtest

import "slices"

const opEnd = 0x0b

// Instructions without an immediate.
var (
	Unreachable = []byte{0x00}
	Return      = []byte{0x0f}
	Drop        = []byte{0x1a}
	I32Eqz      = []byte{0x45}
	I32Add      = []byte{0x6a}
	I32Sub      = []byte{0x6b}
	I32And      = []byte{0x71}
	I32Wrap     = []byte{0xa7}
	// MemoryGrow takes pages and gives the old size, or -1.
	MemoryGrow = []byte{0x40, 0x00}
	// MemorySize gives the size in pages.
	MemorySize = []byte{0x3f, 0x00}
	// MemoryFill takes address, value and length.
	MemoryFill = []byte{0xfc, 0x0b, 0x00}
	// RefNull is a null reference to a function.
	RefNull = []byte{0xd0, byte(FuncRef)}
)

// I32Const is a constant.
func I32Const(v int32) []byte { return append([]byte{0x41}, SignedLeb(int64(v))...) }

// I64Const is a constant.
func I64Const(v int64) []byte { return append([]byte{0x42}, SignedLeb(v)...) }

// Call calls the function with that index.
func Call(f uint32) []byte { return append([]byte{0x10}, Leb(f)...) }

// LocalGet gives a parameter or local.
func LocalGet(i uint32) []byte { return append([]byte{0x20}, Leb(i)...) }

// LocalSet sets a parameter or local.
func LocalSet(i uint32) []byte { return append([]byte{0x21}, Leb(i)...) }

// GlobalGet gives a global.
func GlobalGet(i uint32) []byte { return append([]byte{0x23}, Leb(i)...) }

// GlobalSet sets a global.
func GlobalSet(i uint32) []byte { return append([]byte{0x24}, Leb(i)...) }

// I32Load gives the 4 bytes at an address plus offset.
func I32Load(offset uint32) []byte { return append([]byte{0x28, 2}, Leb(offset)...) }

// I32Store takes address and value.
func I32Store(offset uint32) []byte { return append([]byte{0x36, 2}, Leb(offset)...) }

// I64Store takes address and value.
func I64Store(offset uint32) []byte { return append([]byte{0x37, 3}, Leb(offset)...) }

// RefFunc is a reference to a function, which must be in a table's Elements.
func RefFunc(f uint32) []byte { return append([]byte{0xd2}, Leb(f)...) }

// TableSet takes an index and a reference.
func TableSet(table uint32) []byte { return append([]byte{0x26}, Leb(table)...) }

// CallIndirect takes the arguments and an index, of a function of the type with that number.
func CallIndirect(typ, table uint32) []byte {
	return slices.Concat([]byte{0x11}, Leb(typ), Leb(table))
}

// MemoryInit takes address, offset in the segment and length.
func MemoryInit(segment uint32) []byte {
	return slices.Concat([]byte{0xfc, 0x08}, Leb(segment), []byte{0})
}

// DataDrop drops a segment.
func DataDrop(segment uint32) []byte { return append([]byte{0xfc, 0x09}, Leb(segment)...) }

// TableGrow takes a reference and a number of entries.
func TableGrow(table uint32) []byte { return append([]byte{0xfc, 0x0f}, Leb(table)...) }

// Br leaves that many blocks, or goes on with a loop.
func Br(depth uint32) []byte { return append([]byte{0x0c}, Leb(depth)...) }

// Loop is a loop without parameters and results.
func Loop(body ...[]byte) []byte {
	return slices.Concat([]byte{0x03, 0x40}, slices.Concat(body...), []byte{opEnd})
}

// If is a conditional without parameters and results.
func If(body ...[]byte) []byte {
	return slices.Concat([]byte{0x04, 0x40}, slices.Concat(body...), []byte{opEnd})
}
