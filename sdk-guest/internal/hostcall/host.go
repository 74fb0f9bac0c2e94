// Package hostcall is the plugin's side of the ABI: the host's functions as a Go interface. In WebAssembly they are the
// functions imported from module provisor_v1; in a native build, in tests, they are whatever Install put there.
package hostcall

import "github.com/provisor/provisor/abi"

// Host is what a plugin can reach outside its own memory and files. Errors wrap an abi.Errno.
type Host interface {
	// WorkDir and TmpDir are the two directories that the plugin sees.
	WorkDir() string
	TmpDir() string

	// SessionInfo returns a serialized guestpb.SessionInfo.
	SessionInfo() ([]byte, error)
	Log(level int32, text string) error
	Respond(response []byte) error
	Canceled() bool

	// ExecStart takes a serialized guestpb.ExecRequest and returns a handle.
	ExecStart(request []byte) (handle int32, err error)
	// ExecRead waits for output; a negative timeout waits for ever.
	ExecRead(handle int32, buf []byte, timeoutMillis int32) (abi.Stream, int, error)
	// ExecWrite returns how much of b was taken: 0 = nothing now, read some output first. An empty b closes the pipe.
	ExecWrite(handle int32, b []byte) (int, error)
	// ExecWait returns a serialized guestpb.ExecResult.
	ExecWait(handle int32) ([]byte, error)
	ExecSignal(handle, signal int32) error
	ExecClose(handle int32) error

	Chmod(path string, mode uint32) error
	Mode(path string) (uint32, error)

	CacheRestore(key string) (bool, error)
	// CacheSave takes a serialized guestpb.CacheSave.
	CacheSave(request []byte) error
}
