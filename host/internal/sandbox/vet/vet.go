// Package vet reads a module's frame before the compiler does, and refuses what the compiler could not be trusted with. A compiler allocates
// what a vector's count says before it sees the entries: twenty bytes can ask for hundreds of gigabytes, and running out of memory ends
// the whole process. What comes out of here is framed as the specification says, has no count that its bytes don't bear out, and
// takes up, compiled and in each instance, no more than the limits below allow. Whether it is valid is for the compiler to say.
package vet

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
)

// The most that a module may have. Most are those of the specification for web browsers, which toolchains keep to; those that cost
// memory in each instance are lower.
// See https://webassembly.github.io/spec/js-api/#limits.
const (
	maxTypes         = 20_000
	maxTypeValues    = 1_000
	maxFunctions     = 1_000_000
	maxImports       = 1_000
	maxExports       = 100_000
	maxGlobals       = 10_000
	maxTables        = 16
	maxTableEntries  = 1 << 20 // in all tables together
	maxSegments      = 100_000
	maxElements      = 1 << 20 // in all segments together
	maxLocals        = 50_000
	maxFunctionBytes = 7_654_321
	maxNameBytes     = 64 << 10
)

// The sections' ids.
const (
	sectionCustom    = 0
	sectionType      = 1
	sectionImport    = 2
	sectionFunction  = 3
	sectionTable     = 4
	sectionMemory    = 5
	sectionGlobal    = 6
	sectionExport    = 7
	sectionStart     = 8
	sectionElement   = 9
	sectionCode      = 10
	sectionData      = 11
	sectionDataCount = 12
)

var sectionNames = [...]string{
	"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data", "data count",
}

// order is where a section stands among the others; a custom one may stand anywhere.
var order = [...]int{
	sectionType: 1, sectionImport: 2, sectionFunction: 3, sectionTable: 4, sectionMemory: 5, sectionGlobal: 6, sectionExport: 7,
	sectionStart: 8, sectionElement: 9, sectionDataCount: 10, sectionCode: 11, sectionData: 12,
}

// Module checks a module that may import functions of the named modules. It returns the module to compile: the same
// bytes, but for the maximum of tables that could grow without end.
func Module(wasm []byte, importModules ...string) ([]byte, error) {
	if !bytes.HasPrefix(wasm, []byte("\x00asm\x01\x00\x00\x00")) {
		return nil, fmt.Errorf(`not a WebAssembly binary module (it must start with "\0asm" and version 1)`)
	}
	v := vetter{importModules: importModules}
	out := slices.Clone(wasm[:8])
	r := &reader{b: wasm, at: 8}
	for last := 0; !r.done(); {
		id := r.byte()
		content := r.sub(r.u32())
		if r.err != nil {
			return nil, fmt.Errorf("the module is cut short at byte %d", len(wasm))
		}
		if int(id) >= len(sectionNames) {
			return nil, fmt.Errorf("there is a section of the unknown kind %d", id)
		}
		if id != sectionCustom {
			if order[id] <= last {
				return nil, fmt.Errorf("the %s section is out of order", sectionNames[id])
			}
			last = order[id]
		}
		kept, err := v.section(id, content)
		if err != nil {
			return nil, fmt.Errorf("the %s section: %w", sectionNames[id], err)
		}
		out = append(appendU32(append(out, id), uint32(len(kept))), kept...)
	}
	return out, nil
}

// vetter is what has to be known of one section for another.
type vetter struct {
	importModules []string
	hasNames      bool
}

// section checks a section and returns what it should hold.
func (v *vetter) section(id byte, r *reader) ([]byte, error) {
	whole := r.b[r.at:]
	switch id {
	case sectionCustom:
		v.custom(r)
	case sectionType:
		r.vector(maxTypes, (*reader).functionType)
	case sectionImport:
		r.vector(maxImports, v.importEntry)
	case sectionFunction:
		r.vector(maxFunctions, (*reader).skipU32)
	case sectionTable:
		whole = r.tables()
	case sectionMemory:
		r.vector(1, func(r *reader) { r.limits() })
	case sectionGlobal:
		r.vector(maxGlobals, func(r *reader) { r.skip(2); r.constant() })
	case sectionExport:
		r.vector(maxExports, func(r *reader) { r.name(); r.skip(1); r.u32() })
	case sectionStart:
		r.fail("there is a start function: what has to run first belongs into the export _initialize")
	case sectionElement:
		elements := uint64(0)
		r.vector(maxSegments, func(r *reader) { r.elementSegment(&elements) })
	case sectionCode:
		r.vector(maxFunctions, (*reader).function)
	case sectionData:
		r.vector(maxSegments, (*reader).dataSegment)
	case sectionDataCount:
		r.u32()
	}
	if r.err == nil && !r.done() {
		r.fail("%d bytes are left over", len(r.b)-r.at)
	}
	return whole, r.err
}

func (v *vetter) custom(r *reader) {
	if r.name() != "name" {
		r.at = len(r.b)
		return
	}
	if v.hasNames {
		r.fail("a second one has the name \"name\"")
	}
	v.hasNames = true
	for r.err == nil && !r.done() {
		id := r.byte()
		sub := r.sub(r.u32())
		switch {
		case r.err != nil:
			return
		case id == 0:
			sub.name()
		case id == 1:
			sub.vector(maxFunctions, (*reader).nameEntry)
		case id == 2:
			sub.vector(maxFunctions, func(r *reader) { r.u32(); r.vector(maxLocals, (*reader).nameEntry) })
		default:
			continue
		}
		if sub.err == nil && !sub.done() {
			sub.fail("%d bytes are left over", len(sub.b)-sub.at)
		}
		r.err = sub.err
	}
}

func (v *vetter) importEntry(r *reader) {
	module, name := r.name(), r.name()
	kinds := []string{"function", "table", "memory", "global"}
	kind := r.byte()
	switch {
	case r.err != nil:
	case int(kind) >= len(kinds):
		r.fail("%s.%s is of the unknown kind %d", module, name, kind)
	case kinds[kind] != "function" || !slices.Contains(v.importModules, module):
		r.fail("it imports the %s %s.%s, which is not to be had: there are functions of %s", kinds[kind], module, name, strings.Join(v.importModules, " and "))
	default:
		r.u32()
	}
}

// tables checks the tables and returns the section with a maximum for each, so that all of them together stay small.
func (r *reader) tables() []byte {
	var types []byte
	var least []uint32
	var most []uint64
	var sum uint64
	r.vector(maxTables, func(r *reader) {
		types = append(types, r.byte())
		min, max := r.limits()
		least, most, sum = append(least, min), append(most, max), sum+uint64(min)
	})
	if sum > maxTableEntries {
		r.fail("the tables have %d entries, the limit is %d", sum, maxTableEntries)
	}
	if r.err != nil {
		return nil
	}
	out := appendU32(nil, uint32(len(types)))
	for i, t := range types {
		share := max(uint64(least[i]), maxTableEntries/uint64(len(types)))
		out = append(out, t, 1)
		out = appendU32(appendU32(out, least[i]), uint32(min(most[i], share)))
	}
	return out
}

// noMaximum stands for the maximum of limits that have none.
const noMaximum = math.MaxUint64

func (r *reader) functionType() {
	if r.byte() != 0x60 {
		r.fail("there is a type that is not one of a function")
	}
	for range 2 {
		r.vector(maxTypeValues, func(r *reader) { r.valueType() })
	}
}

// valueType takes the types of version 2 of the specification.
func (r *reader) valueType() {
	switch t := r.byte(); t {
	case 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f:
	default:
		r.fail("%#x is no value type", t)
	}
}

func (r *reader) elementSegment(sum *uint64) {
	kind := r.u32()
	if kind > 7 {
		r.fail("there is a segment of the unknown kind %d", kind)
		return
	}
	passive, explicit, expressions := kind&1 != 0, kind&2 != 0, kind&4 != 0
	if !passive {
		if explicit {
			r.u32()
		}
		r.constant()
	}
	if passive || explicit {
		r.skip(1)
	}
	entry := (*reader).skipU32
	if expressions {
		entry = (*reader).constant
	}
	*sum += uint64(r.vector(maxElements, entry))
	if *sum > maxElements {
		r.fail("the segments have more than %d elements", maxElements)
	}
}

func (r *reader) dataSegment() {
	kind := r.u32()
	switch kind {
	case 0:
		r.constant()
	case 1:
	case 2:
		r.u32()
		r.constant()
	default:
		r.fail("there is a segment of the unknown kind %d", kind)
	}
	r.sub(r.u32())
}

func (r *reader) function() {
	bytes := r.u32()
	if bytes > maxFunctionBytes {
		r.fail("a function has %d bytes, the limit is %d", bytes, maxFunctionBytes)
	}
	body := r.sub(bytes)
	if r.err != nil {
		return
	}
	locals := uint64(0)
	body.vector(maxLocals, func(r *reader) {
		locals += uint64(r.u32())
		r.valueType()
	})
	if locals > maxLocals {
		body.fail("a function has %d locals, the limit is %d", locals, maxLocals)
	}
	r.err = body.err
}

func (r *reader) nameEntry() { r.u32(); r.name() }

// constant reads a constant expression.
func (r *reader) constant() {
	for r.err == nil {
		switch op := r.byte(); op {
		case 0x0b: // end
			return
		case 0x41, 0x42, 0x23, 0xd2: // i32.const, i64.const, global.get, ref.func
			r.leb(10)
		case 0x43: // f32.const
			r.skip(4)
		case 0x44: // f64.const
			r.skip(8)
		case 0xd0: // ref.null
			r.valueType()
		case 0xfd: // v128.const
			if r.u32() != 12 {
				r.fail("there is a vector instruction in a constant")
			}
			r.skip(16)
		default:
			r.fail("the instruction %#x does not belong into a constant", op)
		}
	}
}
