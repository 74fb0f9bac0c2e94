package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"io"
	"math"
	"os"
)

// section is a part of a file.
type section struct{ Offset, Length int64 }

func (s section) end() int64 { return s.Offset + s.Length }

// digestFile is the SHA-256 of a file without a section of it.
func digestFile(path string, without section) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, without.Offset)); err != nil {
		return "", err
	}
	if _, err := io.Copy(h, io.NewSectionReader(f, without.end(), math.MaxInt64)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// wazeroMagic begins a file of wazero's. What follows is the length of a version (1 byte), the version, a number of functions (4 bytes), 8 bytes
// for each, the length of the instructions (8 bytes), the instructions, and their CRC (Castagnoli, 4 bytes); then some more. Numbers are
// little-endian.
const wazeroMagic = "WAZEVO"

// instructions says where in such a file the instructions are. In one of another form there are none that wazero is known to check.
func instructions(path string) (section, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return section{}, err
	}
	rest, known := b, bytes.HasPrefix(b, []byte(wazeroMagic))
	next := func(n uint64) (field []byte) {
		if known = known && n <= uint64(len(rest)); !known {
			return make([]byte, 8)
		}
		field, rest = rest[:n], rest[n:]
		return field
	}
	number := binary.LittleEndian
	next(uint64(len(wazeroMagic)))
	next(uint64(next(1)[0]))
	next(8 * uint64(number.Uint32(next(4))))
	code := next(number.Uint64(next(8)))
	found := section{Offset: int64(len(b) - len(rest) - len(code)), Length: int64(len(code))}
	if sum := number.Uint32(next(4)); !known || sum != crc32.Checksum(code, crc32.MakeTable(crc32.Castagnoli)) {
		return section{}, nil
	}
	return found, nil
}
