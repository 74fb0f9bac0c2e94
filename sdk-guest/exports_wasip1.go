package guest

import (
	"unsafe"

	"github.com/provisor/provisor/abi"
)

var buffers = hostBuffers{fits: memoryFits}

//go:wasmexport provisor_abi_version
func abiVersion() int32 { return abi.Version }

//go:wasmexport provisor_alloc
func alloc(size int32) unsafe.Pointer {
	return buffers.alloc(uint32(size))
}

//go:wasmexport provisor_handle
func provisorHandle(ptr unsafe.Pointer, size int32) int32 {
	limitMemory()
	request, ok := buffers.take(ptr, uint32(size))
	if !ok {
		return statusBadRequest
	}
	return handle(nil, request)
}
