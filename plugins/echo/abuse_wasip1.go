package main

import (
	"fmt"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/sdk-guest"
)

// The host's functions with addresses as plain numbers, which the SDK does not offer.

//go:wasmimport provisor_v1 session_info
func sessionInfo(ptr, capacity uint32) int32

//go:wasmimport provisor_v1 log
func log(level int32, ptr, length uint32) int32

//go:wasmimport provisor_v1 respond
func respond(ptr, length uint32) int32

//go:wasmimport provisor_v1 exec_start
func execStart(ptr, length uint32) int32

//go:wasmimport provisor_v1 exec_read
func execRead(handle int32, ptr, capacity uint32, timeoutMillis int32) int64

//go:wasmimport provisor_v1 exec_write
func execWrite(handle int32, ptr, length uint32) int32

//go:wasmimport provisor_v1 exec_wait
func execWait(handle int32, ptr, capacity uint32) int32

//go:wasmimport provisor_v1 exec_signal
func execSignal(handle, signal int32) int32

//go:wasmimport provisor_v1 exec_close
func execClose(handle int32) int32

//go:wasmimport provisor_v1 chmod
func chmod(ptr, length, mode uint32) int32

//go:wasmimport provisor_v1 mode
func mode(ptr, length uint32) int32

//go:wasmimport provisor_v1 cache_restore
func cacheRestore(ptr, length uint32) int32

//go:wasmimport provisor_v1 cache_save
func cacheSave(ptr, length uint32) int32

//go:wasmimport provisor_v1 last_error
func lastError(ptr, capacity uint32) int32

const (
	// beyond and many are no memory of a module that has less than 4 GiB; together they wrap around.
	beyond uint32 = 0xffff_f000
	many   uint32 = 0x0001_0000
	// huge is a length that is negative for those who take it so.
	huge uint32 = 0x8000_0000
)

// attempts are calls that a host must refuse.
var attempts = []struct {
	what string
	call func() int32
}{
	{"session_info beyond the memory", func() int32 { return sessionInfo(beyond, many) }},
	{"session_info with a huge buffer", func() int32 { return sessionInfo(1, huge) }},
	{"log beyond the memory", func() int32 { return log(2, beyond, 16) }},
	{"log wrapping around", func() int32 { return log(2, beyond, many) }},
	{"log of a huge text", func() int32 { return log(2, 1, huge) }},
	{"log at level 5", func() int32 { return with("text", func(p, n uint32) int32 { return log(5, p, n) }) }},
	{"log at level -1", func() int32 { return with("text", func(p, n uint32) int32 { return log(-1, p, n) }) }},
	{"log of bytes that are not UTF-8", func() int32 { return with("\xff", func(p, n uint32) int32 { return log(2, p, n) }) }},
	{"respond beyond the memory", func() int32 { return respond(beyond, many) }},
	{"respond with a huge length", func() int32 { return respond(1, huge) }},
	{"exec_start beyond the memory", func() int32 { return execStart(beyond, many) }},
	{"exec_start of garbage", func() int32 { return with("\xff\xff", execStart) }},
	{"exec_start of nothing", func() int32 { return execStart(0, 0) }},
	{"exec_read of an unknown handle", func() int32 { return execReadAt(12345) }},
	{"exec_read of handle -1", func() int32 { return execReadAt(-1) }},
	{"exec_write of an unknown handle", func() int32 { return execWrite(12345, 1, 1) }},
	{"exec_wait of an unknown handle", func() int32 { return execWait(12345, 1, 1) }},
	{"exec_signal of an unknown handle", func() int32 { return execSignal(12345, 2) }},
	{"exec_close of an unknown handle", func() int32 { return execClose(12345) }},
	{"chmod beyond the memory", func() int32 { return chmod(beyond, many, 0o600) }},
	{"chmod outside", func() int32 { return with("/etc/passwd", func(p, n uint32) int32 { return chmod(p, n, 0o600) }) }},
	{"chmod through ..", func() int32 {
		return with("/work/../etc/passwd", func(p, n uint32) int32 { return chmod(p, n, 0o600) })
	}},
	{"chmod to more than permissions", func() int32 { return with("/work", func(p, n uint32) int32 { return chmod(p, n, 0o7777) }) }},
	{"mode beyond the memory", func() int32 { return mode(beyond, many) }},
	{"mode of a name with a zero", func() int32 { return with("/work/\x00", mode) }},
	{"mode of a relative name", func() int32 { return with("../etc/passwd", mode) }},
	{"cache_restore beyond the memory", func() int32 { return cacheRestore(beyond, many) }},
	{"cache_restore of a key that is not UTF-8", func() int32 { return with("\xff", cacheRestore) }},
	{"cache_save beyond the memory", func() int32 { return cacheSave(beyond, many) }},
	{"cache_save of garbage", func() int32 { return with("\xff\xff", cacheSave) }},
	{"last_error beyond the memory", func() int32 { return lastError(beyond, many) }},
}

func with(text string, call func(ptr, length uint32) int32) int32 {
	passed = []byte(text)
	return call(address(passed), uint32(len(passed)))
}

func execReadAt(handle int32) int32 {
	passed = make([]byte, 16)
	return int32(execRead(handle, address(passed), uint32(len(passed)), 0))
}

// abuse calls every function of the host in ways that it must refuse, and logs what came of each.
func abuse() error {
	taken := 0
	for _, a := range attempts {
		if r := a.call(); r < 0 {
			guest.Info(fmt.Sprintf("%s: %v", a.what, abi.Errno(-r)))
		} else {
			taken++
			guest.Error(fmt.Sprintf("%s: taken, with the result %d", a.what, r))
		}
	}
	if taken > 0 {
		return fmt.Errorf("the host took %d calls that it must refuse", taken)
	}
	return nil
}
