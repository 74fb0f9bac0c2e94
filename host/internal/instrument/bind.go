package instrument

import (
	"errors"
	"slices"
)

// A runtime puts the functions of an active element segment into the table of each new instance, one by one. Go's linker lists all
// functions there are, and few are ever called through the table. So each is put there when it is called for the first time: until
// then a stub of its type is there, which does that and calls it. The stub knows whom it stands for by one more global, set before
// each call_indirect.
//
// The stubs come in with one table.fill for each run of functions of one type, by a function that is called before any other.
// None of this shows where the code does no more with the table than to call what is there.

// pageFuncs is for how many functions of the table there are cases in one function: compilers are slow with thousands.
const pageFuncs = 256

// A segment that is larger is applied as it is.
const (
	maxBound = 1 << 16
	maxRuns  = 1 << 10
)

// errTable is returned for code that reads or changes the table.
var errTable = errors.New("it does more with its table than to call what is there")

// A binder is the module's one element segment, to be bound late.
type binder struct {
	offset uint32
	funcs  []uint32 // by their new numbers
	runs   []run
	stubs  []uint32 // their types
}

// A run is neighbours of one type.
type run struct{ offset, length, kind uint32 }

// newBinder returns nil for a module whose table is taken as it is: it is not the only one, or exported, or has not just one plain
// segment that fits into it, or there is a start function, which would run too early.
func (w *writer) newBinder() *binder {
	if len(w.survey.funcs) == 0 {
		return nil
	}
	var table, elements reader
	for _, s := range w.survey.sections {
		switch s.id {
		case secTable:
			table = *s.reader()
		case secElement:
			elements = *s.reader()
		case secStart:
			return nil
		case secExport:
			if exportsTable(s.reader()) {
				return nil
			}
		}
	}
	if table.count(2) != 1 || table.byte() != typeFuncref {
		return nil
	}
	size, _, _ := table.limits()
	if elements.count(2) != 1 || elements.u32() != 0 || elements.byte() != opI32Const {
		return nil
	}
	b := &binder{offset: uint32(elements.signed(32))}
	if elements.byte() != opEnd {
		return nil
	}
	n := elements.count(1)
	if n == 0 || n > maxBound || uint64(b.offset)+uint64(n) > uint64(size) {
		return nil
	}
	for ; n > 0; n-- {
		f := w.function(&elements)
		if elements.err != nil {
			return nil
		}
		b.add(f, w.typeOf(f))
	}
	if len(b.runs) > maxRuns || table.err != nil {
		return nil
	}
	return b
}

func exportsTable(r *reader) bool {
	for n := r.count(3); n > 0 && r.err == nil; n-- {
		r.name()
		if r.byte() == 1 {
			return true
		}
		r.u32()
	}
	return false
}

// typeOf is the type of a function, by its new number.
func (w *writer) typeOf(f uint32) uint32 {
	if f < w.survey.importedFuncs {
		return w.survey.importedTypes[f]
	}
	return w.survey.funcs[f-w.survey.importedFuncs-1]
}

func (b *binder) add(f, kind uint32) {
	if last := len(b.runs) - 1; last >= 0 && b.runs[last].kind == kind {
		b.runs[last].length++
	} else {
		b.runs = append(b.runs, run{offset: b.offset + uint32(len(b.funcs)), length: 1, kind: kind})
		if !slices.Contains(b.stubs, kind) {
			b.stubs = append(b.stubs, kind)
		}
	}
	b.funcs = append(b.funcs, f)
}

// declaration is the element section: the functions are not put anywhere, but code may refer to them.
func (b *binder) declaration(w *writer) []byte {
	out := appendU32([]byte{1, 3, 0}, uint32(len(b.funcs)+len(b.stubs)))
	for _, f := range b.funcs {
		out = appendU32(out, f)
	}
	for i := range b.stubs {
		out = appendU32(out, w.stubFunc(i))
	}
	return out
}

// calleeGlobal is the last of all.
func (w *writer) calleeGlobal() uint32 { return w.touchedGlobal() + 1 }

// bindTypes come after all others: those of prepare, and of bind and its pages.
var bindTypes = [][]byte{{0x60, 0, 0}, {0x60, 1, typeI32, 0}}

func (w *writer) bindType(i uint32) uint32 {
	first := w.bulkType() + 1
	if w.hasWide() {
		first += uint32(len(wideTypes))
	}
	return first + i
}

// The numbers of the functions, which come after all others: prepare, bind, the stubs, the pages.
func (w *writer) prepareFunc() uint32 { return w.wideFunc(0) + w.wideFuncs() }
func (w *writer) bindFunc() uint32    { return w.prepareFunc() + 1 }
func (w *writer) stubFunc(i int) uint32 {
	return w.bindFunc() + 1 + uint32(i)
}
func (w *writer) pageFunc(i int) uint32 { return w.stubFunc(len(w.binder.stubs)) + uint32(i) }

// pages are the functions of the table in parts.
func (b *binder) pages() [][]uint32 { return slices.Collect(slices.Chunk(b.funcs, pageFuncs)) }

// types are those of the functions, in their order.
func (b *binder) types(w *writer) [][]byte {
	types := [][]byte{appendU32(nil, w.bindType(0)), appendU32(nil, w.bindType(1))}
	for _, kind := range b.stubs {
		types = append(types, appendU32(nil, kind))
	}
	for range b.pages() {
		types = append(types, appendU32(nil, w.bindType(1)))
	}
	return types
}

// bodies are the functions, in their order.
func (b *binder) bodies(w *writer) [][]byte {
	callee := appendU32([]byte{opGlobalGet}, w.calleeGlobal())

	prepare := []byte{0}
	for _, r := range b.runs {
		prepare = append(prepare, constant(int64(int32(r.offset)))...)
		prepare = appendU32(append(prepare, opRefFunc), w.stubFunc(slices.Index(b.stubs, r.kind)))
		prepare = append(prepare, constant(int64(r.length))...)
		prepare = append(prepare, opMisc, miscTableFill, 0)
	}

	var cases, pages [][]byte
	for p, funcs := range b.pages() {
		cases = append(cases, appendU32(slices.Concat(get(0), []byte{opCall}), w.pageFunc(p)))
		var refs [][]byte
		for _, f := range funcs {
			refs = append(refs, append(appendU32([]byte{opRefFunc}, f), opLocalSet, 1))
		}
		pages = append(pages, slices.Concat([]byte{1, 1, typeFuncref}, choose(b.index(p*pageFuncs), refs),
			get(0), get(1), []byte{opTableSet, 0, opEnd}))
	}
	page := slices.Concat(b.index(0), constant(pageFuncs), []byte{opI32DivU})
	bodies := [][]byte{append(prepare, opEnd), slices.Concat([]byte{0}, choose(page, cases), []byte{opEnd})}

	for _, kind := range b.stubs {
		stub := appendU32(slices.Concat([]byte{0}, callee, []byte{opCall}), w.bindFunc())
		for i := range w.survey.params[kind] {
			stub = appendU32(append(stub, opLocalGet), i)
		}
		stub = appendU32(slices.Concat(stub, callee, []byte{opCallIndirect}), kind)
		bodies = append(bodies, append(stub, 0, opEnd))
	}
	return append(bodies, pages...)
}

// index is the place in the table, which is the function's parameter, counted from the segment's function with that number.
func (b *binder) index(from int) []byte {
	return slices.Concat(get(0), constant(int64(int32(b.offset+uint32(from)))), []byte{opI32Sub})
}

// choose runs one of the cases, by their index.
func choose(index []byte, cases [][]byte) []byte {
	n := uint32(len(cases))
	out := slices.Concat(slices.Repeat([]byte{opBlock, blockVoid}, len(cases)+1), index, []byte{opBrTable})
	out = appendU32(out, n)
	for i := range n {
		out = appendU32(out, i)
	}
	out = appendU32(out, n) // no other index comes
	for i, c := range cases {
		out = append(append(out, opEnd), c...)
		out = appendU32(append(out, opBr), n-1-uint32(i))
	}
	return append(out, opEnd)
}

// callee tells, before a call_indirect, the stub that may be there whom it stands for.
func (c *codeWriter) callee(at int) {
	if c.w.binder == nil {
		return
	}
	c.flush(at)
	c.body = appendU32(append(c.body, opGlobalSet), c.w.calleeGlobal())
	c.body = appendU32(append(c.body, opGlobalGet), c.w.calleeGlobal())
	c.run += 2
}

// noCall fails where functions are bound late: the code does something else with the table than to call what is there.
func (c *codeWriter) noCall() {
	if c.w.binder != nil {
		c.r.fail(errTable)
	}
}
