package graph

import (
	"crypto/rand"
	"encoding/hex"
)

// newUUID is a random UUID, version 4 of RFC 9562. The usual library would do as well, but it takes the package net along,
// 400 kB of a guest.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: it ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
