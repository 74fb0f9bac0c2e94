package hostcall

import (
	"strings"
	"unsafe"

	"github.com/provisor/provisor/abi"
)

// The host's functions, as in abi.Imports. A pair (ptr, len) points into this module's memory.

//go:wasmimport provisor_v1 session_info
func sessionInfo(ptr unsafe.Pointer, capacity uint32) int32

//go:wasmimport provisor_v1 log
func log(level int32, ptr unsafe.Pointer, length uint32) int32

//go:wasmimport provisor_v1 respond
func respond(ptr unsafe.Pointer, length uint32) int32

//go:wasmimport provisor_v1 canceled
func canceled() int32

//go:wasmimport provisor_v1 exec_start
func execStart(ptr unsafe.Pointer, length uint32) int32

//go:wasmimport provisor_v1 exec_read
func execRead(handle int32, ptr unsafe.Pointer, capacity uint32, timeoutMillis int32) int64

//go:wasmimport provisor_v1 exec_write
func execWrite(handle int32, ptr unsafe.Pointer, length uint32) int32

//go:wasmimport provisor_v1 exec_wait
func execWait(handle int32, ptr unsafe.Pointer, capacity uint32) int32

//go:wasmimport provisor_v1 exec_signal
func execSignal(handle, signal int32) int32

//go:wasmimport provisor_v1 exec_close
func execClose(handle int32) int32

//go:wasmimport provisor_v1 chmod
func chmod(ptr unsafe.Pointer, length uint32, mode uint32) int32

//go:wasmimport provisor_v1 mode
func mode(ptr unsafe.Pointer, length uint32) int32

//go:wasmimport provisor_v1 cache_restore
func cacheRestore(ptr unsafe.Pointer, length uint32) int32

//go:wasmimport provisor_v1 cache_save
func cacheSave(ptr unsafe.Pointer, length uint32) int32

//go:wasmimport provisor_v1 last_error
func lastError(ptr unsafe.Pointer, capacity uint32) int32

// Current is the host that this instance runs under.
func Current() Host { return wasmHost{} }

type wasmHost struct{}

func (wasmHost) WorkDir() string { return abi.WorkDir }
func (wasmHost) TmpDir() string  { return abi.TmpDir }

func (wasmHost) SessionInfo() ([]byte, error) {
	return grow(1024, sessionInfo)
}

func (wasmHost) Log(level int32, text string) error {
	return check(log(level, stringPtr(text), uint32(len(text))))
}

func (wasmHost) Respond(response []byte) error {
	return check(respond(ptr(response), uint32(len(response))))
}

func (wasmHost) Canceled() bool { return canceled() == 1 }

func (wasmHost) ExecStart(request []byte) (int32, error) {
	return value(execStart(ptr(request), uint32(len(request))))
}

func (wasmHost) ExecRead(handle int32, buf []byte, timeoutMillis int32) (abi.Stream, int, error) {
	r := execRead(handle, ptr(buf), uint32(len(buf)), timeoutMillis)
	if r < 0 {
		return 0, 0, check(int32(r))
	}
	stream, n := abi.UnpackRead(r)
	// The host is trusted to keep to the buffer it was given; a host that doesn't must not make this slice out of range.
	return stream, min(int(n), len(buf)), nil
}

func (wasmHost) ExecWrite(handle int32, b []byte) (int, error) {
	n, err := value(execWrite(handle, ptr(b), uint32(len(b))))
	return min(int(n), len(b)), err
}

func (wasmHost) ExecWait(handle int32) ([]byte, error) {
	return grow(256, func(p unsafe.Pointer, capacity uint32) int32 { return execWait(handle, p, capacity) })
}

func (wasmHost) ExecSignal(handle, signal int32) error { return check(execSignal(handle, signal)) }
func (wasmHost) ExecClose(handle int32) error          { return check(execClose(handle)) }

func (wasmHost) Chmod(path string, m uint32) error {
	return check(chmod(stringPtr(path), uint32(len(path)), m))
}

func (wasmHost) Mode(path string) (uint32, error) {
	m, err := value(mode(stringPtr(path), uint32(len(path))))
	return uint32(m), err
}

func (wasmHost) CacheRestore(key string) (bool, error) {
	r, err := value(cacheRestore(stringPtr(key), uint32(len(key))))
	return r == 1, err
}

func (wasmHost) CacheSave(request []byte) error {
	return check(cacheSave(ptr(request), uint32(len(request))))
}

// ptr is where b begins. An empty slice may have no address; the host looks at none when the length is 0.
func ptr(b []byte) unsafe.Pointer       { return unsafe.Pointer(unsafe.SliceData(b)) }
func stringPtr(s string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(s)) }

// grow calls f with a larger buffer for as long as the result does not fit. A host function may say so by the length
// that it needs or by TooSmall.
func grow(size uint32, f func(ptr unsafe.Pointer, capacity uint32) int32) ([]byte, error) {
	const most = 16 << 20
	for {
		buf := make([]byte, size)
		r := f(ptr(buf), size)
		switch {
		case r >= 0 && uint32(r) <= size:
			return buf[:r], nil
		case r >= 0 && r <= most:
			size = uint32(r)
		case r == abi.TooSmall.Result() && size < most:
			size *= 4
		case r >= 0:
			return nil, &Error{Errno: abi.Limit, Text: "the host's answer is too big to hold"}
		default:
			return nil, check(r)
		}
	}
}

func value(r int32) (int32, error) {
	if r < 0 {
		return 0, check(r)
	}
	return r, nil
}

// errorText is where last_error writes. It is allocated beforehand because the text belongs to the last call: an
// allocation between the two could let another goroutine call the host.
var errorText [4096]byte

func check(r int32) error {
	if r >= 0 {
		return nil
	}
	n := lastError(unsafe.Pointer(&errorText), uint32(len(errorText)))
	e := &Error{Errno: abi.Errno(-r)}
	switch {
	case n > int32(len(errorText)):
		text, err := grow(uint32(n), lastError)
		if err == nil {
			e.Text = string(text)
		}
	case n > 0:
		e.Text = strings.ToValidUTF8(string(errorText[:n]), "\uFFFD")
	}
	return e
}
