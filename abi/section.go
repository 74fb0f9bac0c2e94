package abi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// header is the magic number and the version of a WebAssembly binary module.
var header = []byte("\x00asm\x01\x00\x00\x00")

// ErrNotWasm is returned for bytes that are no WebAssembly binary module.
var ErrNotWasm = errors.New(`not a WebAssembly binary module (it must start with "\0asm" and version 1)`)

// CustomSection returns the payload of the only custom section with that name, and whether there is one. It reads the module's frame
// and runs none of its code. A second section of the name is an error: which one counts must not depend on the reader.
func CustomSection(module []byte, name string) (payload []byte, found bool, err error) {
	err = sections(module, func(id byte, content, _ []byte) error {
		n, p, ok := customName(id, content)
		if !ok || n != name {
			return nil
		}
		if found {
			return fmt.Errorf("two custom sections are named %q", name)
		}
		payload, found = p, true
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return payload, found, nil
}

// WithCustomSection returns a copy of the module that ends in a custom section with that name and payload, in place of
// any that it had.
func WithCustomSection(module []byte, name string, payload []byte) ([]byte, error) {
	out := append(make([]byte, 0, len(module)+len(name)+len(payload)+16), header...)
	err := sections(module, func(id byte, content, whole []byte) error {
		if n, _, ok := customName(id, content); ok && n == name {
			return nil
		}
		out = append(out, whole...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	content := binary.AppendUvarint(nil, uint64(len(name)))
	content = append(append(content, name...), payload...)
	out = append(out, 0)
	out = binary.AppendUvarint(out, uint64(len(content)))
	return append(out, content...), nil
}

// sections calls f for each section with its id, its content, and all its bytes.
func sections(module []byte, f func(id byte, content, whole []byte) error) error {
	if !bytes.HasPrefix(module, header) {
		return ErrNotWasm
	}
	for rest := module[len(header):]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || n > 5 || size > uint64(len(rest)-1-n) {
			return fmt.Errorf("the section at byte %d is cut short", len(module)-len(rest))
		}
		end := 1 + n + int(size)
		if err := f(rest[0], rest[1+n:end], rest[:end]); err != nil {
			return err
		}
		rest = rest[end:]
	}
	return nil
}

func customName(id byte, content []byte) (name string, payload []byte, ok bool) {
	if id != 0 {
		return "", nil, false
	}
	size, n := binary.Uvarint(content)
	if n <= 0 || size > uint64(len(content)-n) {
		return "", nil, false
	}
	return string(content[n : n+int(size)]), content[n+int(size):], true
}
