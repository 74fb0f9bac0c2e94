package sandbox

import (
	"bufio"
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
	f, err := os.Open(path)
	if err != nil {
		return section{}, err
	}
	defer f.Close()
	content, at, known := bufio.NewReader(f), int64(0), true
	take := func(w io.Writer, n uint64) {
		if known = known && n <= math.MaxInt64; known {
			_, err := io.CopyN(w, content, int64(n))
			at, known = at+int64(n), err == nil
		}
	}
	number := func(size uint64) uint64 {
		var b bytes.Buffer
		take(&b, size)
		return binary.LittleEndian.Uint64(append(b.Bytes(), make([]byte, 8)...))
	}
	var magic bytes.Buffer
	take(&magic, uint64(len(wazeroMagic)))
	take(io.Discard, number(1))
	take(io.Discard, 8*number(4))
	length := number(8)
	found := section{Offset: at, Length: int64(length)}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	take(sum, length)
	if want := number(4); !known || magic.String() != wazeroMagic || want != uint64(sum.Sum32()) {
		return section{}, nil
	}
	return found, nil
}
