package sandbox

import (
	"context"
	"io/fs"
	"time"

	experimentalsys "github.com/tetratelabs/wazero/experimental/sys"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Host is what an instance can reach outside its memory and files. Its methods are called by the goroutine that runs the
// instance. An error carries its errno by wrapping an abi.Errno; its text is what the plugin gets from last_error.
type Host interface {
	// SessionInfo is a serialized guestpb.SessionInfo.
	SessionInfo() []byte
	// Log puts the text, which is UTF-8, onto the session's stream.
	Log(level pb.LogLevel, text string) error
	// Canceled reports whether the plugin should come to an end.
	Canceled() bool
	Start(req *guestpb.ExecRequest) (Process, error)
	CacheRestore(key string) (bool, error)
	CacheSave(req *guestpb.CacheSave) error
}

// Process is a program that Host.Start started. Its methods are called by one goroutine at a time. They don't use a buffer
// any more when they have returned: it is the instance's memory.
type Process interface {
	// Read waits for output until the timeout, for ever if that is negative, or until ctx ends.
	Read(ctx context.Context, buf []byte, timeout time.Duration) (abi.Stream, int, error)
	// Write takes as much as it can without blocking.
	Write(b []byte) (int, error)
	CloseStdin() error
	Interrupt() error
	Kill(reason string) error
	// Wait drops the output that is left and waits for the end. It can be repeated.
	Wait(ctx context.Context) (*guestpb.ExecResult, error)
	// Close ends the program if it still runs, and waits for that. It can be repeated.
	Close() error
}

// FS is a directory that an instance sees: what WASI asks of it, and the two calls of the ABI that WASI lacks.
type FS interface {
	experimentalsys.FS
	// SetMode sets permission bits, Mode reads them. Names are relative, "." is the directory itself.
	SetMode(name string, mode fs.FileMode) error
	Mode(name string) (fs.FileMode, error)
}
