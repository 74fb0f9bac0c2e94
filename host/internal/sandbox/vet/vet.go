// Package vet reads a module's frame before the compiler does, and refuses what the compiler could not be trusted with. A compiler allocates
// what a vector's count says before it sees the entries: twenty bytes can ask for hundreds of gigabytes, and running out of memory ends
// the whole process. What comes out of here is framed as the specification says, has no count that its bytes don't bear out, and
// takes up, compiled and in each instance, no more than the limits below allow. Whether it is valid is for the compiler to say.
package vet

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// The most that a module may have. Most are those of the specification for web browsers, which toolchains keep to; those that cost
// memory in each instance are lower.
// See https://webassembly.github.io/spec/js-api/#limits.
const (
	maxTypes         = 20_000
	maxParams        = 1_000   // of one type; as many results
	maxTypeValues    = 200_000 // parameters and results of all types together
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

// Module checks a module that may import functions of the named modules. It returns the module to compile: tables that could
// grow without end have got a maximum, and custom sections are left out but for the names of functions, which explain a trap.
func Module(wasm []byte, importModules ...string) ([]byte, error) {
	if !bytes.HasPrefix(wasm, []byte("\x00asm\x01\x00\x00\x00")) {
		return nil, fmt.Errorf(`not a WebAssembly binary module (it must start with "\0asm" and version 1)`)
	}
	v := &vetter{importModules: importModules}
	out := append(make([]byte, 0, len(wasm)), wasm[:8]...)
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
		kept := v.section(id, content)
		if content.err != nil {
			return nil, fmt.Errorf("the %s section: %w", sectionNames[id], content.err)
		}
		if kept != nil {
			out = append(appendU32(append(out, id), uint32(len(kept))), kept...)
		}
	}
	return out, nil
}

// vetter is what has to be remembered from one entry or section for the next.
type vetter struct {
	importModules []string
	hasNames      bool
	typeValues    int
	elements      int
}

// section checks a section and returns what is kept of it; nil = nothing. The error is the reader's.
func (v *vetter) section(id byte, r *reader) (kept []byte) {
	kept = r.b
	switch id {
	case sectionCustom:
		return v.custom(r)
	case sectionType:
		r.vector(maxTypes, v.functionType)
	case sectionImport:
		r.vector(maxImports, v.importEntry)
	case sectionFunction:
		r.vector(maxFunctions, (*reader).skipU32)
	case sectionTable:
		kept = tables(r)
	case sectionMemory:
		r.vector(1, func(r *reader) { r.limits() })
	case sectionGlobal:
		r.vector(maxGlobals, func(r *reader) { r.skip(2); r.constant() })
	case sectionExport:
		r.vector(maxExports, func(r *reader) { r.name(); r.skip(1); r.u32() })
	case sectionStart:
		r.fail("there is a start function: what has to run first belongs into the export _initialize")
	case sectionElement:
		r.vector(maxSegments, v.elementSegment)
	case sectionCode:
		r.vector(maxFunctions, function)
	case sectionData:
		r.vector(maxSegments, dataSegment)
	case sectionDataCount:
		r.u32()
	}
	r.end()
	return kept
}

// custom keeps the names of functions, if the section that they stand in is in order. A custom section's content can't make a
// module invalid.
func (v *vetter) custom(r *reader) (kept []byte) {
	if r.name() != "name" || v.hasNames {
		return nil
	}
	v.hasNames = true
	kept = append(appendU32(nil, 4), "name"...)
	names := &reader{b: r.b, at: r.at}
	for names.err == nil && !names.done() {
		id := names.byte()
		content := names.sub(names.u32())
		if id != 1 || names.err != nil {
			continue
		}
		content.vector(maxFunctions, func(r *reader) { r.u32(); r.name() })
		content.end()
		names.err = content.err
		kept = append(appendU32(append(kept, id), uint32(len(content.b))), content.b...)
	}
	if names.err != nil {
		return nil
	}
	return kept
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
func tables(r *reader) []byte {
	var types []byte
	var least, most []uint64
	var sum uint64
	r.vector(maxTables, func(r *reader) {
		kind := r.byte()
		if kind != 0x70 && kind != 0x6f {
			r.fail("there is a table of the unknown kind %#x", kind)
		}
		types = append(types, kind)
		min, max := r.limits()
		least, most, sum = append(least, min), append(most, max), sum+min
	})
	if sum > maxTableEntries {
		r.fail("the tables have %d entries, the limit is %d", sum, maxTableEntries)
	}
	if r.err != nil {
		return nil
	}
	out := appendU32(nil, uint32(len(types)))
	for i, t := range types {
		share := max(least[i], maxTableEntries/uint64(len(types)))
		out = appendU32(append(out, t, 1), uint32(least[i]))
		out = appendU32(out, uint32(min(most[i], share)))
	}
	return out
}

func (v *vetter) functionType(r *reader) {
	if r.byte() != 0x60 {
		r.fail("there is a type that is not one of a function")
	}
	for range 2 {
		v.typeValues += r.vector(maxParams, (*reader).valueType)
	}
	if v.typeValues > maxTypeValues {
		r.fail("the types have more than %d parameters and results", maxTypeValues)
	}
}

func (v *vetter) elementSegment(r *reader) {
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
	if v.elements += r.vector(maxElements, entry); v.elements > maxElements {
		r.fail("the segments have more than %d elements", maxElements)
	}
}

func dataSegment(r *reader) {
	switch kind := r.u32(); kind {
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

func function(r *reader) {
	bytes := r.u32()
	if bytes > maxFunctionBytes {
		r.fail("a function has %d bytes, the limit is %d", bytes, maxFunctionBytes)
	}
	body := r.sub(bytes)
	locals := uint64(0)
	body.vector(maxLocals, func(r *reader) {
		locals += uint64(r.u32())
		r.valueType()
	})
	if locals > maxLocals {
		body.fail("a function has %d locals, the limit is %d", locals, maxLocals)
	}
	if body.err != nil {
		r.fail("%w", body.err)
	}
}
