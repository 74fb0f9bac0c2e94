package instrument

import (
	"bytes"
	"errors"
	"fmt"
)

// Options say what a module imports to get fuel. The zero value imports yield from provisor_fuel.
type Options struct {
	Module, Name string // of the imported function; empty: DefaultModule, DefaultName

	// Tables is how many elements the module's tables may have together: it lowers their maxima, and table.grow gives -1
	// past it. Tables are not part of the memory that a runtime limits, and one table.grow can ask for 32 GiB. 0: DefaultTables.
	Tables uint32
}

// What the zero Options stand for.
const (
	DefaultModule = "provisor_fuel"
	DefaultName   = "yield"
	DefaultTables = 4 << 20 // 32 MiB
)

// maxLocals is the most locals a function may have, as in browsers. Decoders allocate for what eight bytes of a module claim.
const maxLocals = 50_000

// Instrument returns the module with fuel. It does not validate the module: what it returns of an invalid one is invalid.
func Instrument(module []byte, o Options) ([]byte, error) {
	w, err := newWriter(module, o)
	if err != nil {
		return nil, err
	}
	if err := w.write(); err != nil {
		return nil, fmt.Errorf("instrument the module: %w", err)
	}
	return w.out, nil
}

func newWriter(module []byte, o Options) (*writer, error) {
	if o.Module == "" {
		o.Module = DefaultModule
	}
	if o.Name == "" {
		o.Name = DefaultName
	}
	if o.Tables == 0 {
		o.Tables = DefaultTables
	}
	m, err := survey(module, o)
	if err != nil {
		return nil, fmt.Errorf("instrument the module: %w", err)
	}
	return &writer{survey: m, options: o, out: make([]byte, 0, len(module)+len(module)/2+1024)}, nil
}

// The sections of a module.
const (
	secCustom    = 0
	secType      = 1
	secImport    = 2
	secFunction  = 3
	secTable     = 4
	secMemory    = 5
	secGlobal    = 6
	secExport    = 7
	secStart     = 8
	secElement   = 9
	secCode      = 10
	secData      = 11
	secDataCount = 12
)

// rank is the order in which sections come: the count of the data segments was put in later.
var rank = [...]int{
	secType: 1, secImport: 2, secFunction: 3, secTable: 4, secMemory: 5, secGlobal: 6, secExport: 7, secStart: 8,
	secElement: 9, secDataCount: 10, secCode: 11, secData: 12,
}

var sectionNames = [...]string{
	"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data", "data count",
}

// A section is its content and where it lies.
type section struct {
	id      byte
	content []byte
	base    int
}

func (s section) reader() *reader { return &reader{data: s.content, base: s.base} }

// named puts the section into an error.
func (s section) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s section: %w", sectionNames[s.id], err)
}

// A moduleSurvey is what must be known of a module before the first byte of the new one is written.
type moduleSurvey struct {
	sections      []section
	params        []uint32 // of each type
	importedFuncs uint32
	importedTypes []uint32 // the types of the functions that it imports
	funcs         []uint32 // the types of the module's own functions
	globals       uint32   // imported ones included
	memory        bool     // whether there is one
	memoryPages   uint32   // how large it is at first
	dataCount     bool     // whether there is such a section: code may refer to data segments
	foreign       string   // a memory, table or global that is imported
}

var header = []byte("\x00asm\x01\x00\x00\x00")

// survey splits the module into sections and counts.
func survey(module []byte, o Options) (*moduleSurvey, error) {
	if !bytes.HasPrefix(module, header) {
		return nil, errors.New("it does not begin like a WebAssembly module of version 1")
	}
	m := &moduleSurvey{}
	r := &reader{data: module, pos: len(header)}
	last := 0
	for r.more() {
		id := r.byte()
		if int(id) >= len(sectionNames) {
			r.failf("a section of the unknown kind %d", id)
			break
		}
		content := r.sub(r.u32())
		if id != secCustom {
			if rank[id] <= last {
				r.failf("the %s section is out of order", sectionNames[id])
			}
			last = rank[id]
		}
		m.sections = append(m.sections, section{id, content.data, content.base})
	}
	if r.err != nil {
		return nil, r.err
	}
	for _, s := range m.sections {
		if err := s.named(m.look(s, o)); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// look counts what one section brings.
func (m *moduleSurvey) look(s section, o Options) error {
	r := s.reader()
	switch s.id {
	case secType:
		m.types(r)
	case secImport:
		m.imports(r, o)
	case secFunction:
		for n := r.count(1); n > 0 && r.err == nil; n-- {
			t := r.u32()
			if int64(t) >= int64(len(m.params)) {
				r.failf("a function of type %d, of %d types", t, len(m.params))
			}
			m.funcs = append(m.funcs, t)
		}
	case secMemory:
		if r.count(2) > 0 {
			m.memory = true
			m.memoryPages, _, _ = r.limits()
		}
		return r.err
	case secDataCount:
		m.dataCount = true
		return nil
	case secGlobal:
		m.globals += r.count(3)
		return r.err // the rest is read when it is written
	default:
		return nil
	}
	r.done()
	return r.err
}

func (m *moduleSurvey) types(r *reader) {
	for n := r.count(1); n > 0 && r.err == nil; n-- {
		switch form := r.byte(); form {
		case 0x60:
			m.funcType(r)
		case 0x4e: // a group of types that may refer to each other; wazero takes it
			for group := r.count(3); group > 0 && r.err == nil; group-- {
				if r.byte() != 0x60 {
					r.failf("a type that is not a function's")
				}
				m.funcType(r)
			}
		default:
			r.failf("a type of the unknown form %#x", form)
		}
	}
}

func (m *moduleSurvey) funcType(r *reader) {
	params := r.count(1)
	for i := params; i > 0 && r.err == nil; i-- {
		r.valueType()
	}
	for i := r.count(1); i > 0 && r.err == nil; i-- {
		r.valueType()
	}
	m.params = append(m.params, params)
}

func (m *moduleSurvey) imports(r *reader, o Options) {
	for n := r.count(4); n > 0 && r.err == nil; n-- {
		if module := r.name(); string(module) == o.Module {
			r.failf("it imports from %q, which is the host's", o.Module)
		}
		r.name()
		switch kind := r.byte(); kind {
		case 0:
			t := r.u32()
			if int64(t) >= int64(len(m.params)) {
				r.failf("a function of type %d, of %d types", t, len(m.params))
			}
			m.importedTypes = append(m.importedTypes, t)
			m.importedFuncs++
		case 1:
			m.foreign = "a table"
			r.valueType()
			r.limits()
		case 2:
			m.foreign = "a memory"
			r.limits()
			m.memory = true
		case 3:
			m.foreign = "a global"
			r.valueType()
			r.byte()
			m.globals++
		default:
			r.failf("an import of the unknown kind %d", kind)
		}
	}
}

// valueType reads a type of values. The long forms of references are a proposal's, which wazero takes.
func (r *reader) valueType() {
	switch t := r.byte(); t {
	case 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f, 0x69:
	case 0x63, 0x64:
		r.signed(33)
	default:
		r.failf("the unknown type %#x", t)
	}
}

// limits reads those of a memory or a table. A flag above 1 is a proposal's.
func (r *reader) limits() (least, most uint32, bounded bool) {
	flag := r.byte()
	if flag > 1 {
		r.failf("limits of the unknown kind %d", flag)
	}
	least = r.u32()
	if bounded = flag&1 != 0; bounded {
		most = r.u32()
	}
	return least, most, bounded
}
