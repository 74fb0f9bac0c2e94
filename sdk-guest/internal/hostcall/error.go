package hostcall

import (
	"context"
	"io/fs"

	"github.com/provisor/provisor/abi"
)

// Error is a host function's failure.
type Error struct {
	Errno abi.Errno
	// Text is what the host's last_error said; it may be empty.
	Text string
}

// Error is the host's text, or the errno's name where the host gave none.
func (e *Error) Error() string {
	if e.Text == "" {
		return e.Errno.Error()
	}
	return e.Text
}

// Unwrap makes errors.Is(err, abi.Denied) hold, and for a cancel also errors.Is(err, context.Canceled).
func (e *Error) Unwrap() error {
	if e.Errno == abi.Canceled {
		return ErrCanceled
	}
	return e.Errno
}

// Is lets callers who expect errors of the file system ask for those.
func (e *Error) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e.Errno == abi.NotFound
	case fs.ErrPermission:
		return e.Errno == abi.Denied
	case fs.ErrInvalid:
		return e.Errno == abi.Invalid
	}
	return false
}

// ErrCanceled says that the client canceled the request, or that its session is over. errors.Is finds context.Canceled
// and abi.Canceled in it.
var ErrCanceled error = canceledError{}

type canceledError struct{}

func (canceledError) Error() string   { return "the request was canceled" }
func (canceledError) Unwrap() []error { return []error{context.Canceled, abi.Canceled} }
