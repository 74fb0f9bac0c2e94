package sandbox

import (
	"fmt"

	"github.com/tetratelabs/wazero/experimental"
)

// memory is an instance's linear memory. It never moves, so that host functions may use slices of it; it is not a part of Go's
// heap, so that it costs the garbage collector nothing and is given back at once; and it knows when the guest was refused some.
type memory struct {
	reserved []byte
	// refused is the size that the guest asked for last and did not get; 0 = none.
	refused uint64
	freed   bool
}

var _ experimental.MemoryAllocator = (*memory)(nil)

// newMemory reserves addresses for as much as the instance may ever have, and begins with a copy of the image.
func newMemory(limit uint64, from *image) (*memory, error) {
	if from.size > limit {
		return nil, fmt.Errorf("it begins with %s of memory, the limit is %s (setting %s)", size(from.size), size(limit), settingMemory)
	}
	reserved, err := reserve(limit)
	if err != nil {
		return nil, err
	}
	m := &memory{reserved: reserved}
	if err := from.fill(reserved); err != nil {
		m.Free()
		return nil, err
	}
	return m, nil
}

// Allocate is called once, when the instance is made.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate returns nil where the guest must not have that much.
func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) {
		m.refused = size
		return nil
	}
	return m.reserved[:size:size]
}

func (m *memory) limit() uint64 { return uint64(len(m.reserved)) }

// Free gives the memory back. It can be repeated.
func (m *memory) Free() {
	if !m.freed {
		m.freed = true
		release(m.reserved)
	}
}
