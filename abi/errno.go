package abi

import (
	"errors"
	"strconv"
)

// Errno is why a host function failed. A function returns it negated: a result of 0 or more is success. A plugin takes
// a number that it doesn't know for a failure.
type Errno int32

// The errnos of ABI 1.
const (
	// Invalid: an argument is wrong: a bad pointer, text that is not UTF-8, a message that does not decode, an unknown handle.
	Invalid Errno = 1
	// Denied: the operator grants no such thing.
	Denied Errno = 2
	// Limit: a limit is hit; last_error names it, its value and its setting.
	Limit Errno = 3
	// Canceled: the client asked to cancel, or the session is over.
	Canceled Errno = 4
	// IO: the operating system refused.
	IO Errno = 5
	// NotFound: there is no such file, program or entry.
	NotFound Errno = 6
	// WrongState: not now: a second respond, a cache_save after an engine ran.
	WrongState Errno = 7
	// TooSmall: the buffer does not hold the result.
	TooSmall Errno = 8
)

var errnoText = [...]string{
	Invalid:    "invalid argument",
	Denied:     "denied",
	Limit:      "limit exceeded",
	Canceled:   "canceled",
	IO:         "input/output error",
	NotFound:   "not found",
	WrongState: "wrong state",
	TooSmall:   "buffer too small",
}

// Error is the errno's name, "denied".
func (e Errno) Error() string {
	if e > 0 && int(e) < len(errnoText) {
		return errnoText[e]
	}
	return "errno " + strconv.Itoa(int(e))
}

// Result is what a host function returns for the errno: negative.
func (e Errno) Result() int32 { return -int32(e) }

// ErrnoOf is the errno that err wraps, or IO; 0 for nil.
func ErrnoOf(err error) Errno {
	if err == nil {
		return 0
	}
	var e Errno
	if errors.As(err, &e) {
		return e
	}
	return IO
}
