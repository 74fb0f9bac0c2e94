package session

import "fmt"

// Code is the gRPC status code that a Violation ends the stream with.
type Code uint32

// The codes of violations, with gRPC's numbers.
const (
	InvalidArgument    Code = 3
	ResourceExhausted  Code = 8
	FailedPrecondition Code = 9
)

// String is the code's name as gRPC writes it.
func (c Code) String() string {
	switch c {
	case InvalidArgument:
		return "INVALID_ARGUMENT"
	case ResourceExhausted:
		return "RESOURCE_EXHAUSTED"
	case FailedPrecondition:
		return "FAILED_PRECONDITION"
	}
	return fmt.Sprintf("CODE_%d", uint32(c))
}

// Violation says which rule of the protocol a client has broken. It ends the stream.
type Violation struct {
	Code Code
	// Rule is the rule's name, for programs: "apply-after-plan".
	Rule string
	// Detail is what the client did and what the rule says, for people.
	Detail string
}

// Error is the rule's name and the detail.
func (v *Violation) Error() string { return "rule " + v.Rule + ": " + v.Detail }

func violation(c Code, r rule, format string, args ...any) *Violation {
	return &Violation{Code: c, Rule: r.name, Detail: fmt.Sprintf(format, args...) + "; " + r.text}
}
