package instrument

// What bulk instructions cost: a sum for each call and by their length. A length is a number of bytes, elements or pages,
// and one of rate stands for 2^-rate units.
const (
	bulkCost = 16
	growCost = 1000 // a runtime may copy all there is

	eightBytesPerUnit = 3
	entryPerUnit      = 0
	bytesPerPage      = -13 // at eight bytes
)

// charge puts a charge of what was run up before the instruction at that place.
func (c *codeWriter) charge(at int) {
	c.flush(at)
	c.body = c.appendCharge(c.body, c.run)
	c.run = 0
}

// appendCharge appends
//
//	fuel -= cost
//	if fuel < 0 { fuel = yield(fuel) }
//
// with the new local for what the global holds, which spares reading it again.
func (c *codeWriter) appendCharge(b []byte, cost uint32) []byte {
	fuel, local := c.w.fuelGlobal(), c.locals
	b = appendU32(append(b, opGlobalGet), fuel)
	b = appendS64(append(b, opI64Const), int64(max(cost, 1)))
	b = append(b, opI64Sub)
	b = appendU32(append(b, opLocalTee), local)
	b = appendU32(append(b, opGlobalSet), fuel)
	b = appendU32(append(b, opLocalGet), local)
	b = append(b, opI64Const, 0, opI64LtS, opIf, blockVoid)
	b = appendU32(append(b, opLocalGet), local)
	b = appendU32(append(b, opCall), c.w.yieldFunc())
	b = appendU32(append(b, opGlobalSet), fuel)
	return append(b, opEnd)
}

// bulk charges a bulk instruction whose length is on top of the stack, and what was run up before it.
func (c *codeWriter) bulk(at, rate int, cost uint32) {
	c.flush(at)
	c.body = c.appendBulkCharge(c.body, rate, c.run+cost)
	c.run = 0
}

// appendBulkCharge charges for the length on top of the stack, an i32 without sign, and leaves it there.
func (c *codeWriter) appendBulkCharge(b []byte, rate int, cost uint32) []byte {
	fuel, local := c.w.fuelGlobal(), c.locals
	b = append(b, opI64ExtendU)
	b = appendU32(append(b, opLocalSet), local)
	b = appendU32(append(b, opGlobalGet), fuel)
	b = appendU32(append(b, opLocalGet), local)
	switch {
	case rate > 0:
		b = append(b, opI64Const, byte(rate), opI64ShrU)
	case rate < 0:
		b = append(b, opI64Const, byte(-rate), opI64Shl)
	}
	b = append(b, opI64Sub)
	b = appendU32(append(b, opGlobalSet), fuel)
	b = appendU32(append(b, opLocalGet), local)
	b = append(b, opI32WrapI64)
	return c.appendCharge(b, cost)
}
