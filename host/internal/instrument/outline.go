package instrument

import (
	"bytes"
	"crypto/sha256"
	"fmt"
)

// OutlineSection is the custom section by which the outlines of different modules differ.
const OutlineSection = "provisor.outline"

// Outline is the module without its code: all that a runtime needs to know of a module whose machine code it has. Each function is there
// and traps at once. A custom section holds the SHA-256 of the whole module.
func Outline(module []byte) ([]byte, error) {
	if !bytes.HasPrefix(module, header) {
		return nil, fmt.Errorf("outline the module: it does not begin like a WebAssembly module of version 1")
	}
	w := &writer{out: append([]byte(nil), header...)}
	r := &reader{data: module, pos: len(header)}
	for r.more() {
		id := r.byte()
		content := r.sub(r.u32())
		start := w.begin(id)
		if id == secCode {
			n := content.count(1)
			w.out = appendU32(w.out, n)
			for ; n > 0; n-- {
				w.out = append(w.out, 3, 0, opUnreachable, opEnd) // 3 bytes, of which one says that there are no locals
			}
		} else {
			w.out = append(w.out, content.data...)
		}
		w.end(start)
		if content.err != nil {
			r.fail(content.err)
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("outline the module: %w", r.err)
	}
	digest := sha256.Sum256(module)
	start := w.begin(secCustom)
	w.out = append(appendU32(w.out, uint32(len(OutlineSection))), OutlineSection...)
	w.out = append(w.out, digest[:]...)
	w.end(start)
	return w.out, nil
}
