package sandbox

import "os"

// image is what a memory holds. Instances begin with a copy of their own, which on Linux costs something only for the pages that they
// write to: neither they nor anybody else can change the image.
type image struct {
	// size is the memory's, in bytes: whole pages of WebAssembly.
	size uint64
	// pieces are what is not zero, in order; later ones may overwrite earlier ones. nil where file holds them.
	pieces []piece
	// file is a sealed one in memory; nil where there is no such thing.
	file *os.File
}

// piece is a part of a memory.
type piece struct {
	offset uint64
	bytes  []byte
}

// newImage makes an image. It may keep the pieces.
func newImage(size uint64, pieces []piece) *image {
	g := &image{size: size, pieces: pieces}
	if file, err := seal(size, pieces); err == nil {
		g.file, g.pieces = file, nil
	}
	return g
}

// fill makes the beginning of reserved memory, which is zero, a copy of the image.
func (g *image) fill(reserved []byte) error {
	if g.file != nil {
		return mapPrivate(g.file, reserved[:g.size])
	}
	for _, p := range g.pieces {
		copy(reserved[p.offset:], p.bytes)
	}
	return nil
}

// close frees the image. Copies stay as they are.
func (g *image) close() {
	if g.file != nil {
		_ = g.file.Close()
	}
	g.pieces = nil
}
