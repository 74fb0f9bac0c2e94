package instrument

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Parts are an instrumented module whose instances' state can be saved and restored: its memory, and all globals that can change. What else
// an instance can change (tables, references in globals, segments that it drops) can't be read from outside; it is only known whether it has.
type Parts struct {
	// Module has no active data segments.
	Module []byte
	// MemoryBytes is how large the memory is at first, in bytes.
	MemoryBytes uint64
	// Data is what they were: what the memory holds before anything runs. Later ones may overwrite earlier ones.
	Data []Data
	// Globals are those that can change, but for references.
	Globals []Global
}

// Data is a piece of memory, which lies inside of what the module has at first.
type Data struct {
	Offset uint32
	Bytes  []byte
}

// A Global is exported under its name. One of 128 bits has two functions instead: of its name and GetSuffix, which returns its halves as
// two i64, the lower one first; and of its name and SetSuffix, which takes them.
type Global struct {
	Name string
	Wide bool
}

// The names of what Parts exports. No other export may begin so.
const (
	StatePrefix = "provisor_state."
	// Touched is a global, an i32: not 0 once the instance has changed what can't be read from outside.
	Touched   = StatePrefix + "touched"
	GetSuffix = ".get"
	SetSuffix = ".set"
	// Prepare is a function without parameters and results. If it is there, it must be called before anything else of an instance.
	Prepare = StatePrefix + "prepare"
)

// typeV128 is the last type of numbers; what comes below are references.
const typeV128 = 0x7b

// Split instruments a module as Instrument does, and takes it apart. It refuses modules that import memories, tables or globals: their
// state is not an instance's own.
func Split(module []byte, o Options) (*Parts, error) {
	w, err := newWriter(module, o)
	if err != nil {
		return nil, err
	}
	if w.survey.foreign != "" {
		return nil, fmt.Errorf("instrument the module: it imports %s", w.survey.foreign)
	}
	w.state = &state{references: map[uint32]bool{}}
	if err := w.lookAtGlobals(); err != nil {
		return nil, fmt.Errorf("instrument the module: %w", err)
	}
	w.binder = w.newBinder()
	err = w.write()
	if errors.Is(err, errTable) {
		w.binder, w.state.data, w.out = nil, nil, w.out[:0]
		err = w.write()
	}
	if err != nil {
		return nil, fmt.Errorf("instrument the module: %w", err)
	}
	parts := &Parts{Module: w.out, MemoryBytes: w.memoryBytes(), Data: w.state.data}
	for _, g := range w.state.plain {
		parts.Globals = append(parts.Globals, Global{Name: stateName(g)})
	}
	for _, g := range w.state.wide {
		parts.Globals = append(parts.Globals, Global{Name: stateName(g), Wide: true})
	}
	return parts, nil
}

// state is what a writer learns of a module that it takes apart.
type state struct {
	// plain and wide are the globals that can change and are no references, by their numbers; the fuel is one.
	plain, wide []uint32
	references  map[uint32]bool
	data        []Data
}

func stateName(global uint32) string { return StatePrefix + strconv.FormatUint(uint64(global), 10) }

// lookAtGlobals takes note of the module's own, and of the fuel.
func (w *writer) lookAtGlobals() error {
	discard := &writer{survey: w.survey}
	for _, section := range w.survey.sections {
		if section.id != secGlobal {
			continue
		}
		r := section.reader()
		n := r.count(3)
		for i := uint32(0); i < n && r.err == nil; i++ {
			kind := r.peek()
			r.valueType()
			mutable := r.byte() != 0
			discard.constExpr(r)
			switch {
			case !mutable:
			case kind == typeV128:
				w.state.wide = append(w.state.wide, i)
			case kind > typeV128:
				w.state.plain = append(w.state.plain, i)
			default:
				w.state.references[i] = true
			}
		}
		if r.err != nil {
			return section.named(r.err)
		}
	}
	w.state.plain = append(w.state.plain, w.fuelGlobal())
	return nil
}

// touchedGlobal comes after the fuel.
func (w *writer) touchedGlobal() uint32 { return w.fuelGlobal() + 1 }

// touch notes, before the instruction at that place, that it changes what can't be read from outside.
func (c *codeWriter) touch(at int) {
	if c.w.state == nil {
		return
	}
	c.flush(at)
	c.body = append(c.body, opI32Const, 1)
	c.body = appendU32(append(c.body, opGlobalSet), c.w.touchedGlobal())
	c.run++
}

// hasWide tells whether there are functions for globals of 128 bits. Without a function of the module's own none can change.
func (w *writer) hasWide() bool {
	return w.state != nil && len(w.state.wide) > 0 && len(w.survey.funcs) > 0
}

// wideFunc is the number of the function that reads the wide global of that place in the list; the next one sets it. They are the last.
func (w *writer) wideFunc(i int) uint32 {
	first := w.bulkFunc(0)
	if w.hasBulk() {
		first += bulkFuncs
	}
	return first + 2*uint32(i)
}

// wideFuncs is how many of them there are.
func (w *writer) wideFuncs() uint32 {
	if !w.hasWide() {
		return 0
	}
	return 2 * uint32(len(w.state.wide))
}

// wideTypes are the types of those two functions; they come after all others.
var wideTypes = [][]byte{{0x60, 0, 2, typeI64, typeI64}, {0x60, 2, typeI64, typeI64, 0}}

func (w *writer) wideBodies() [][]byte {
	const splat, extract, replace = 0x12, 0x1d, 0x1e // of i64x2
	var bodies [][]byte
	for _, g := range w.state.wide {
		get := appendU32([]byte{opGlobalGet}, g)
		set := appendU32([]byte{opGlobalSet}, g)
		bodies = append(bodies,
			slices.Concat([]byte{0}, get, []byte{opVec, extract, 0}, get, []byte{opVec, extract, 1, opEnd}),
			slices.Concat([]byte{0, opLocalGet, 0, opVec, splat, opLocalGet, 1, opVec, replace, 1}, set, []byte{opEnd}))
	}
	return bodies
}

// stateExports are the exports that make the state accessible.
func (w *writer) stateExports() [][]byte {
	export := func(name string, kind byte, index uint32) []byte {
		return appendU32(append(append(appendU32(nil, uint32(len(name))), name...), kind), index)
	}
	const function, global = 0, 3
	list := [][]byte{export(Touched, global, w.touchedGlobal())}
	for _, g := range w.state.plain {
		list = append(list, export(stateName(g), global, g))
	}
	if w.hasWide() {
		for i, g := range w.state.wide {
			list = append(list, export(stateName(g)+GetSuffix, function, w.wideFunc(i)), export(stateName(g)+SetSuffix, function, w.wideFunc(i)+1))
		}
	}
	if w.binder != nil {
		list = append(list, export(Prepare, function, w.prepareFunc()))
	}
	return list
}

// takeData takes the active segments out. Where code may refer to segments by their numbers, empty passive ones stay in their places:
// an active segment is one that was dropped after it had been used.
func (w *writer) takeData(r *reader) {
	var kept [][]byte
	for n := r.count(1); n > 0 && r.err == nil; n-- {
		switch form := r.u32(); form {
		case 1:
			content := r.bytes(int(r.count(1)))
			kept = append(kept, append(appendU32([]byte{1}, uint32(len(content))), content...))
		case 0, 2:
			if form == 2 && r.u32() != 0 {
				r.failf("a data segment of a second memory")
			}
			w.takeSegment(r)
			kept = append(kept, []byte{1, 0})
		default:
			r.failf("a data segment of the unknown form %d", form)
		}
	}
	if !w.survey.dataCount {
		kept = nil
	}
	w.out = appendU32(w.out, uint32(len(kept)))
	for _, segment := range kept {
		w.out = append(w.out, segment...)
	}
}

func (w *writer) takeSegment(r *reader) {
	if !w.survey.memory {
		r.failf("a data segment without a memory")
	}
	if r.byte() != opI32Const {
		r.failf("a data segment whose place is not a constant")
	}
	offset := uint32(r.signed(32))
	if r.byte() != opEnd {
		r.failf("a data segment whose place is more than a constant")
	}
	content := r.bytes(int(r.count(1)))
	if size := w.memoryBytes(); uint64(offset)+uint64(len(content)) > size {
		r.failf("a data segment of %d bytes at address %d, outside of the memory of %d", len(content), offset, size)
	}
	if len(content) > 0 && r.err == nil {
		w.state.data = append(w.state.data, Data{Offset: offset, Bytes: content})
	}
}

func (w *writer) memoryBytes() uint64 { return uint64(w.survey.memoryPages) << 16 }

// ownName fails if the module exports what only the host may.
func (w *writer) ownName(r *reader, name []byte) {
	if w.state != nil && bytes.HasPrefix(name, []byte(StatePrefix)) {
		r.failf("it exports %q, which is a name of the host's", name)
	}
}
