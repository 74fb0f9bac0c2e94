package instrument

// Go's compiler puts a loop around each function and writes every jump, ahead or back, as
//
//	i32.const k  local.set pc  br loop
//
// to the loop's head, where a table of blocks leads on:
//
//	loop  block … block  local.get pc  br_table …
//
// A jump ahead would be charged as a way back. But where it leads is known: to the end of one of these blocks, which is still
// open. So it becomes a branch to that block: what runs anyway, without the detour.

// A dispatch is such a loop with its table.
type dispatch struct {
	loop    int    // the loop, as a place in codeWriter.labels
	last    int    // the innermost of the blocks
	open    int    // the innermost that is open
	local   uint32 // pc
	targets []uint32
}

// A jump is what has been seen of the three instructions.
type jump struct {
	seen  int
	to    uint32
	local uint32
}

// step takes note of the next instruction.
func (j *jump) step(op byte) {
	switch {
	case op == opI32Const:
		j.seen = 1
	case op == opLocalSet && j.seen == 1, op == opBr && j.seen == 2:
		j.seen++
	default:
		j.seen = 0
	}
}

// openDispatch looks whether the block that was just opened is a loop with a table, or belongs to one.
func (c *codeWriter) openDispatch(op byte) {
	switch {
	case c.r.err != nil:
		return
	case op == opLoop && c.r.data[c.r.pos-1] == blockVoid && c.findTable():
	case op == opBlock && c.expected > 0:
		c.expected--
	default:
		return
	}
	c.labels[len(c.labels)-1].dispatch = int32(len(c.dispatches))
}

// findTable looks ahead of a loop's head, without reading on.
func (c *codeWriter) findTable() bool {
	ahead := reader{data: c.r.data, pos: c.r.pos}
	blocks := 0
	for ahead.left() > 1 && ahead.data[ahead.pos] == opBlock && ahead.data[ahead.pos+1] == blockVoid {
		ahead.pos += 2
		blocks++
	}
	if blocks == 0 || ahead.byte() != opLocalGet {
		return false
	}
	d := dispatch{loop: len(c.labels) - 1, local: ahead.u32()}
	if ahead.byte() != opBrTable {
		return false
	}
	start := len(c.targets)
	for n := int64(ahead.count(1)); n >= 0 && ahead.err == nil; n-- {
		c.targets = append(c.targets, ahead.u32())
	}
	if ahead.err != nil {
		return false
	}
	d.last = d.loop + blocks
	d.open, d.targets, c.expected = d.last, c.targets[start:], blocks
	c.dispatches = append(c.dispatches, d)
	return true
}

// closeDispatch takes note that a label is gone.
func (c *codeWriter) closeDispatch(l label) {
	if l.dispatch == 0 {
		return
	}
	d := &c.dispatches[l.dispatch-1]
	d.open = min(d.open, len(c.labels)-1)
}

// ahead is where a branch leads, if that is known and ahead: otherwise it leads where it says.
func (c *codeWriter) ahead(depth uint32, at int) uint32 {
	loop := len(c.labels) - 1 - int(depth)
	if c.jump.seen != 3 || loop < 0 || c.labels[loop].dispatch == 0 {
		return depth
	}
	d := &c.dispatches[c.labels[loop].dispatch-1]
	if d.loop != loop || d.local != c.jump.local {
		return depth
	}
	target := int64(d.last) - int64(d.targets[min(int(c.jump.to), len(d.targets)-1)])
	if target <= int64(loop) || target > int64(d.open) {
		return depth
	}
	depth = uint32(len(c.labels) - 1 - int(target))
	c.flush(at)
	c.body = appendU32(append(c.body, opBr), depth)
	c.copied = c.r.pos
	return depth
}
