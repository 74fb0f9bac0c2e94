package instrument

import (
	"bytes"
	"fmt"
	"slices"
)

// A writer writes the new module.
type writer struct {
	survey  *moduleSurvey
	options Options
	out     []byte
	code    codeWriter
	state   *state  // nil: it need not be accessible
	binder  *binder // nil: the table is taken as it is
}

// The numbers of what is new: each is the last of its kind.
func (w *writer) yieldType() uint32  { return uint32(len(w.survey.params)) }
func (w *writer) bulkType() uint32   { return w.yieldType() + 1 }
func (w *writer) yieldFunc() uint32  { return w.survey.importedFuncs }
func (w *writer) fuelGlobal() uint32 { return w.survey.globals }

// shift is a function's new number.
func (w *writer) shift(f uint32) uint32 {
	if f >= w.survey.importedFuncs {
		return f + 1
	}
	return f
}

// function reads a function's number and gives the new one.
func (w *writer) function(r *reader) uint32 {
	f := r.u32()
	if all := uint64(w.survey.importedFuncs) + uint64(len(w.survey.funcs)); uint64(f) >= all {
		r.failf("function %d, of %d", f, all)
	}
	return w.shift(f)
}

// write writes all sections, and where they belong those that the module does not have.
func (w *writer) write() error {
	w.out = append(w.out, header...)
	missing := []byte{secType, secImport, secGlobal}
	if w.state != nil {
		missing = append(missing, secExport)
	}
	for _, s := range w.survey.sections {
		for len(missing) > 0 && s.id != secCustom && rank[missing[0]] < rank[s.id] {
			w.create(missing[0])
			missing = missing[1:]
		}
		if len(missing) > 0 && s.id == missing[0] {
			missing = missing[1:]
		}
		if err := s.named(w.rewrite(s)); err != nil {
			return err
		}
	}
	for _, id := range missing {
		w.create(id)
	}
	return nil
}

// create writes a section that holds just what is new.
func (w *writer) create(id byte) {
	_ = w.rewrite(section{id: id, content: []byte{0}}) // an empty vector is never refused
}

func (w *writer) rewrite(s section) error {
	if s.id == secCustom {
		return w.custom(s)
	}
	start := w.begin(s.id)
	r := s.reader()
	switch s.id {
	case secType:
		added := [][]byte{{0x60, 1, typeI64, 1, typeI64}, {0x60, 3, typeI32, typeI32, typeI32, 0}}
		if w.hasWide() {
			added = append(added, wideTypes...)
		}
		if w.binder != nil {
			added = append(added, bindTypes...)
		}
		w.extend(r, added...)
	case secImport:
		w.extend(r, w.yieldImport())
	case secFunction:
		var added [][]byte
		if w.hasBulk() {
			added = slices.Repeat([][]byte{appendU32(nil, w.bulkType())}, bulkFuncs)
		}
		if w.hasWide() {
			for range w.state.wide {
				added = append(added, appendU32(nil, w.bulkType()+1), appendU32(nil, w.bulkType()+2))
			}
		}
		if w.binder != nil {
			added = append(added, w.binder.types(w)...)
		}
		w.extend(r, added...)
	case secTable:
		w.tables(r)
	case secGlobal:
		w.globals(r)
	case secExport:
		w.exports(r)
	case secStart:
		w.out = appendU32(w.out, w.function(r))
	case secElement:
		w.elements(r)
		if w.binder != nil {
			w.out = append(w.out[:start], w.binder.declaration(w)...)
		}
	case secCode:
		w.functions(r)
	case secData:
		w.data(r)
	default:
		w.out = append(w.out, r.bytes(r.left())...)
	}
	r.done()
	w.end(start)
	return r.err
}

// begin writes a section's head. The length takes five bytes, to be put in when it is known.
func (w *writer) begin(id byte) (start int) {
	w.out = append(w.out, id, 0x80, 0x80, 0x80, 0x80, 0)
	return len(w.out)
}

func (w *writer) end(start int) {
	n := uint32(len(w.out) - start)
	for i := range 5 {
		w.out[start-5+i] |= byte(n>>(7*i)) & 0x7f
	}
}

// extend copies a vector and more items.
func (w *writer) extend(r *reader, items ...[]byte) {
	w.out = appendU32(w.out, r.u32()+uint32(len(items)))
	w.out = append(w.out, r.bytes(r.left())...)
	w.out = append(w.out, slices.Concat(items...)...)
}

func (w *writer) yieldImport() []byte {
	var b []byte
	for _, name := range []string{w.options.Module, w.options.Name} {
		b = append(appendU32(b, uint32(len(name))), name...)
	}
	return appendU32(append(b, 0), w.yieldType())
}

// tables lowers the maxima, so that all tables together have room for no more than the limit, and what is left over is
// shared evenly.
func (w *writer) tables(r *reader) {
	n, room, err := w.tableRoom(*r)
	if err != nil {
		r.fail(err)
	}
	w.out = appendU32(w.out, r.count(1))
	for ; n > 0 && r.err == nil; n-- {
		start := r.pos
		withInit := r.more() && r.data[r.pos] == 0x40
		if withInit {
			r.byte()
			if r.byte() != 0 {
				r.failf("a table of an unknown form")
			}
		}
		r.valueType()
		w.out = append(w.out, r.data[start:r.pos]...)
		least, most, bounded := r.limits()
		if !bounded || most > least+room {
			most = least + room
		}
		w.out = append(w.out, 1)
		w.out = appendU32(appendU32(w.out, least), most)
		if withInit {
			w.constExpr(r)
		}
	}
}

// tableRoom is how many tables there are and by how much each may grow. It refuses those that are too big from the start.
func (w *writer) tableRoom(r reader) (n, room uint32, err error) {
	n = r.count(1)
	var sum uint64
	discard := &writer{survey: w.survey}
	for i := n; i > 0 && r.err == nil; i-- {
		withInit := r.more() && r.data[r.pos] == 0x40
		if withInit {
			r.bytes(2)
		}
		r.valueType()
		least, _, _ := r.limits()
		sum += uint64(least)
		if withInit {
			discard.constExpr(&r)
		}
	}
	if sum > uint64(w.options.Tables) {
		return 0, 0, fmt.Errorf("tables of %d elements, at most %d are taken", sum, w.options.Tables)
	}
	return n, (w.options.Tables - uint32(sum)) / max(n, 1), r.err
}

func (w *writer) globals(r *reader) {
	n := r.count(3)
	added := uint32(1)
	if w.state != nil {
		added++
	}
	if w.binder != nil {
		added++
	}
	w.out = appendU32(w.out, n+added)
	for ; n > 0 && r.err == nil; n-- {
		start := r.pos
		r.valueType()
		r.byte()
		w.out = append(w.out, r.data[start:r.pos]...)
		w.constExpr(r)
	}
	w.out = append(w.out, typeI64, 1, opI64Const, 0, opEnd)
	if w.state != nil {
		w.out = append(w.out, typeI32, 1, opI32Const, 0, opEnd)
	}
	if w.binder != nil {
		w.out = append(w.out, typeI32, 1, opI32Const, 0, opEnd)
	}
}

func (w *writer) exports(r *reader) {
	n := r.count(3)
	var added [][]byte
	if w.state != nil {
		added = w.stateExports()
	}
	w.out = appendU32(w.out, n+uint32(len(added)))
	for ; n > 0 && r.err == nil; n-- {
		start := r.pos
		w.ownName(r, r.name())
		kind := r.byte()
		w.out = append(w.out, r.data[start:r.pos]...)
		if kind == 0 {
			w.out = appendU32(w.out, w.function(r))
			continue
		}
		index := r.u32()
		if kind == 3 && index >= w.survey.globals {
			r.failf("an export of global %d, of %d", index, w.survey.globals)
		}
		w.out = appendU32(w.out, index)
	}
	w.out = append(w.out, slices.Concat(added...)...)
}

// elements rewrites the eight forms of segments. Bit 0 of the form says that the segment has no offset, bit 1 that it names
// its table (or, without an offset, is only declared), bit 2 that it holds expressions instead of functions' numbers.
func (w *writer) elements(r *reader) {
	n := r.count(2)
	w.out = appendU32(w.out, n)
	for ; n > 0 && r.err == nil; n-- {
		form := r.u32()
		if form > 7 {
			r.failf("an element segment of the unknown form %d", form)
		}
		w.out = appendU32(w.out, form)
		active, explicit, exprs := form&1 == 0, form&2 != 0, form&4 != 0
		if active && explicit {
			w.out = appendU32(w.out, r.u32())
		}
		if active {
			w.constExpr(r)
		}
		start := r.pos
		if !active || explicit {
			if exprs {
				r.valueType()
			} else if r.byte() != 0 {
				r.failf("an element segment of an unknown kind")
			}
		}
		w.out = append(w.out, r.data[start:r.pos]...)
		items := r.count(1)
		w.out = appendU32(w.out, items)
		for ; items > 0 && r.err == nil; items-- {
			if exprs {
				w.constExpr(r)
			} else {
				w.out = appendU32(w.out, w.function(r))
			}
		}
	}
}

func (w *writer) data(r *reader) {
	if w.state != nil {
		w.takeData(r)
		return
	}
	n := r.count(1)
	w.out = appendU32(w.out, n)
	for ; n > 0 && r.err == nil; n-- {
		form := r.u32()
		if form > 2 {
			r.failf("a data segment of the unknown form %d", form)
		}
		w.out = appendU32(w.out, form)
		if form == 2 {
			w.out = appendU32(w.out, r.u32())
		}
		if form != 1 {
			w.constExpr(r)
		}
		content := r.bytes(int(r.count(1)))
		w.out = append(appendU32(w.out, uint32(len(content))), content...)
	}
}

// constExpr copies a constant expression.
func (w *writer) constExpr(r *reader) {
	for r.err == nil {
		start := r.pos
		op := r.byte()
		switch op {
		case opI32Const:
			r.signed(32)
		case opI64Const:
			r.signed(64)
		case opF32Const:
			r.bytes(4)
		case opF64Const:
			r.bytes(8)
		case opGlobalGet:
			if g := r.u32(); g >= w.survey.globals {
				r.failf("global %d, of %d", g, w.survey.globals)
			}
		case opRefNull:
			r.signed(33)
		case opRefFunc:
			w.out = appendU32(append(w.out, op), w.function(r))
			continue
		case opVec:
			if r.byte() != vecConst {
				r.failf("a SIMD instruction in a constant expression")
			}
			r.bytes(16)
		case opEnd:
		default:
			r.failf("the instruction %#x in a constant expression", op)
		}
		w.out = append(w.out, r.data[start:r.pos]...)
		if op == opEnd {
			return
		}
	}
}

// functions rewrites the bodies.
func (w *writer) functions(r *reader) {
	n := r.count(1)
	if int64(n) != int64(len(w.survey.funcs)) {
		r.failf("%d bodies of %d functions", n, len(w.survey.funcs))
		return
	}
	more := uint32(0)
	if w.hasBulk() {
		more = bulkFuncs
	}
	var bodies [][]byte
	if w.hasWide() {
		bodies = w.wideBodies()
	}
	if w.binder != nil {
		bodies = append(bodies, w.binder.bodies(w)...)
	}
	w.out = appendU32(w.out, n+more+uint32(len(bodies)))
	for i := uint32(0); i < n && r.err == nil; i++ {
		size := r.u32()
		body := r.sub(size)
		w.code.rewrite(w, body, w.survey.params[w.survey.funcs[i]])
		if body.err != nil {
			r.failf("function %d: %w", w.survey.importedFuncs+i, body.err)
		}
	}
	if w.hasBulk() {
		w.code.bulkFunctions(w)
	}
	for _, body := range bodies {
		w.out = append(appendU32(w.out, uint32(len(body))), body...)
	}
}

var dropped = []string{".debug_", "reloc.", "metadata.code."}

// custom copies a section that is not WebAssembly's, rewrites the names, and drops those that speak of offsets in the code.
func (w *writer) custom(s section) error {
	r := s.reader()
	name := r.name()
	if r.err != nil {
		return r.err
	}
	switch string(name) {
	case "linking", "sourceMappingURL", "external_debug_info":
		return nil
	case "name":
		w.names(s, r)
		return nil
	}
	if !r.more() {
		return nil // wazero does not take an empty one at the end of the module
	}
	for _, prefix := range dropped {
		if bytes.HasPrefix(name, []byte(prefix)) {
			return nil
		}
	}
	start := w.begin(secCustom)
	w.out = append(w.out, s.content...)
	w.end(start)
	return nil
}
