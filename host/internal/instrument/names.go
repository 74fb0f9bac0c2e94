package instrument

import "slices"

// The parts of the name section that are read: wazero reads them as well, or they speak of functions.
const (
	namesModule    = 0
	namesFunctions = 1
	namesLocals    = 2
	namesLabels    = 3
)

// names writes the name section with the functions' new numbers, and drops it if it is malformed.
func (w *writer) names(s section, r *reader) {
	from := len(w.out)
	start := w.begin(secCustom)
	w.out = append(w.out, s.content[:r.pos]...)
	for r.more() {
		id := r.byte()
		part := r.sub(r.u32())
		var content []byte
		switch id {
		case namesModule:
			part.name()
			content = part.data
		case namesFunctions:
			content = w.functionNames(part)
		case namesLocals, namesLabels:
			content = w.nestedNames(part)
		default:
			content = part.data
			part.pos = len(part.data)
		}
		part.done()
		if part.err != nil {
			r.fail(part.err)
		}
		w.out = append(appendU32(append(w.out, id), uint32(len(content))), content...)
	}
	if r.err != nil {
		w.out = w.out[:from]
		return
	}
	w.end(start)
}

// functionNames shifts the numbers and names the new functions, each in its place: they are in order.
func (w *writer) functionNames(r *reader) []byte {
	n := r.count(2)
	added := w.addedNames()
	b := appendU32(nil, n+1+uint32(len(added)))
	named := false
	for ; n > 0 && r.err == nil; n-- {
		f, name := r.u32(), r.name()
		if !named && f >= w.yieldFunc() {
			b, named = w.appendName(b, w.yieldFunc(), w.options.Name), true
		}
		b = append(appendU32(appendU32(b, w.shift(f)), uint32(len(name))), name...)
	}
	if !named {
		b = w.appendName(b, w.yieldFunc(), w.options.Name)
	}
	for i, name := range added {
		b = w.appendName(b, w.bulkFunc(uint32(i)), name)
	}
	return b
}

// addedNames are those of the functions that come last, all but yield.
func (w *writer) addedNames() []string {
	var names []string
	if w.hasBulk() {
		names = append(names, "memory.fill", "memory.copy")
	}
	for range w.wideFuncs() / 2 {
		names = append(names, "global.get", "global.set")
	}
	if b := w.binder; b != nil {
		names = append(names, "prepare", "bind")
		names = append(names, slices.Repeat([]string{"stub"}, len(b.stubs))...)
		names = append(names, slices.Repeat([]string{"bind"}, len(b.pages()))...)
	}
	return names
}

func (w *writer) appendName(b []byte, f uint32, name string) []byte {
	name = w.options.Module + "." + name
	return append(appendU32(appendU32(b, f), uint32(len(name))), name...)
}

// nestedNames shifts the numbers of the functions and copies what they hold.
func (w *writer) nestedNames(r *reader) []byte {
	n := r.count(2)
	b := appendU32(nil, n)
	for ; n > 0 && r.err == nil; n-- {
		b = appendU32(b, w.shift(r.u32()))
		start := r.pos
		for items := r.count(2); items > 0 && r.err == nil; items-- {
			r.u32()
			r.name()
		}
		b = append(b, r.data[start:r.pos]...)
	}
	return b
}
