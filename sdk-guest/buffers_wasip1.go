package guest

import "unsafe"

// maxBuffer is the largest buffer that the host can ask for. A request can't be near that size: the protocol's messages end at 2 GiB.
const maxBuffer = 1 << 30

// hostBuffers holds what the host asked for by provisor_alloc until the request that is written there is handled: between
// the two calls nothing else in Go points to it.
type hostBuffers struct {
	held [][]byte
	// fits reports whether the instance may take that many bytes more.
	fits func(size uint32) bool
}

// alloc returns a buffer, or nil where the memory for it can't be had: Go's runtime would not return an error, but end
// the instance.
func (h *hostBuffers) alloc(size uint32) unsafe.Pointer {
	if size > maxBuffer || !h.fits(size) {
		return nil
	}
	b := make([]byte, max(size, 1))
	h.held = append(h.held, b)
	return unsafe.Pointer(&b[0])
}

// take lets go of all buffers and returns the one at ptr.
func (h *hostBuffers) take(ptr unsafe.Pointer, size uint32) (request []byte, ok bool) {
	for _, b := range h.held {
		if unsafe.Pointer(&b[0]) == ptr && uint64(size) <= uint64(len(b)) {
			request, ok = b[:size:size], true
		}
	}
	h.held = nil
	return request, ok
}
