package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/provisor/provisor/host/internal/instrument"
)

// origin is what instances of a module begin as: either as the module says, before any of its code has run; or as a snapshot, the state of
// an instance that has been initialised.
type origin struct {
	memory  *image
	globals []global
	// snapshot says that the plugin's _initialize has run.
	snapshot bool
	// clock is what the monotonic clock stood at when the snapshot was taken. It must not go back.
	clock int64
}

// global is a global that can change, with what a snapshot has of it: its lower and, if it is a wide one, its upper half.
type global struct {
	Name      string
	Wide      bool   `json:",omitempty"`
	Low, High uint64 `json:",omitempty"`
}

// initial is the file of the origin of instances that have yet to be initialised.
func initial(parts *instrument.Parts) ([][]byte, error) {
	o := &origin{}
	for _, g := range parts.Globals {
		o.globals = append(o.globals, global{Name: g.Name, Wide: g.Wide})
	}
	return o.encode(parts.MemoryBytes, join(parts.Data))
}

// maxGap is how many zeroes between two pieces are cheaper than two pieces.
const maxGap = 256

// join makes few pieces of many: Go's linker leaves out every run of some zeroes, which makes tens of thousands.
func join(data []instrument.Data) []piece {
	var pieces []piece
	end := uint64(0) // of all so far
	for _, d := range data {
		offset := uint64(d.Offset)
		if last := len(pieces) - 1; last >= 0 && offset >= end && offset-end <= maxGap && end == pieces[last].end() {
			b := append(pieces[last].bytes, make([]byte, offset-end)...)
			pieces[last].bytes = append(b, d.Bytes...)
		} else {
			pieces = append(pieces, piece{offset, bytes.Clone(d.Bytes)})
		}
		end = max(end, offset+uint64(len(d.Bytes)))
	}
	return pieces
}

func (p piece) end() uint64 { return p.offset + uint64(len(p.bytes)) }

// An origin in a file is the magic, the SHA-256 of what follows, the length of the header, the header, and the bytes of all pieces.
const originMagic = "provisor origin 1\n"

// originHeader is JSON.
type originHeader struct {
	Size     uint64
	Snapshot bool
	Clock    int64
	Globals  []global
	// Pieces are offset and length of each.
	Pieces [][2]uint64
}

// encode returns the parts of the file.
func (o *origin) encode(size uint64, pieces []piece) ([][]byte, error) {
	h := originHeader{Size: size, Snapshot: o.snapshot, Clock: o.clock, Globals: o.globals}
	for _, p := range pieces {
		h.Pieces = append(h.Pieces, [2]uint64{p.offset, uint64(len(p.bytes))})
	}
	header, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	parts := [][]byte{[]byte(originMagic), nil, binary.LittleEndian.AppendUint32(nil, uint32(len(header))), header}
	digest := sha256.New()
	for _, p := range pieces {
		parts = append(parts, p.bytes)
	}
	for _, b := range parts[2:] {
		digest.Write(b)
	}
	parts[1] = digest.Sum(nil)
	return parts, nil
}

// decodeOrigin reads the file. The pieces are parts of b.
func decodeOrigin(b []byte) (_ *origin, size uint64, pieces []piece, err error) {
	rest, ok := bytes.CutPrefix(b, []byte(originMagic))
	if !ok || len(rest) < sha256.Size+4 {
		return nil, 0, nil, fmt.Errorf("it is cut short, or no file of this kind")
	}
	if digest := sha256.Sum256(rest[sha256.Size:]); !bytes.Equal(digest[:], rest[:sha256.Size]) {
		return nil, 0, nil, fmt.Errorf("it has another digest than it had")
	}
	rest = rest[sha256.Size:]
	n := uint64(binary.LittleEndian.Uint32(rest))
	if rest = rest[4:]; n > uint64(len(rest)) {
		return nil, 0, nil, fmt.Errorf("its header is cut short")
	}
	var h originHeader
	if err := json.Unmarshal(rest[:n], &h); err != nil {
		return nil, 0, nil, fmt.Errorf("its header: %w", err)
	}
	rest = rest[n:]
	if h.Size%wasmPage != 0 || h.Size > 4<<30 {
		return nil, 0, nil, fmt.Errorf("a memory of %d bytes", h.Size)
	}
	for _, p := range h.Pieces {
		if p[1] > uint64(len(rest)) || p[0] > h.Size || p[1] > h.Size-p[0] {
			return nil, 0, nil, fmt.Errorf("a piece of %d bytes at %d, which is not there", p[1], p[0])
		}
		pieces = append(pieces, piece{p[0], rest[:p[1]:p[1]]})
		rest = rest[p[1]:]
	}
	for _, g := range h.Globals {
		if !strings.HasPrefix(g.Name, instrument.StatePrefix) {
			return nil, 0, nil, fmt.Errorf("a global %q", g.Name)
		}
	}
	return &origin{globals: h.Globals, snapshot: h.Snapshot, clock: h.Clock}, h.Size, pieces, nil
}
