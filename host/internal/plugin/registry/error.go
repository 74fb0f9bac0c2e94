package registry

import "fmt"

// Kind is what kind of failure an Error is.
type Kind int

// The kinds.
const (
	// Invalid: what is asked for can't be.
	Invalid Kind = iota + 1
	// NotFound: there is no such plugin or version.
	NotFound
	// Conflict: it can't be done as things are.
	Conflict
	// Refused: there is something wrong with the plugin.
	Refused
)

// Error is a failure that is the asker's to mend.
type Error struct {
	Kind Kind
	err  error
}

// Error is the text.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.err }

func errorf(k Kind, format string, args ...any) error {
	return &Error{k, fmt.Errorf(format, args...)}
}
