// Package script reads the echo plugin's scripts: which steps to take for which request. The format is described in the
// plugin's README.
package script

import (
	"fmt"
	"time"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Script says what to do for each request.
type Script struct {
	Sections []Section
}

// Section is the steps for one kind of request.
type Section struct {
	Line int
	// Request is "init", "parse", "plan", "apply" or "graph".
	Request string
	// Number is which of the session's requests of that kind the section is for, from 1; 0 = each that no other section is for.
	Number int
	Steps  []Step
}

// Step is one line of a section. Which of the fields from Level on are set depends on the step's name, see Steps.
type Step struct {
	Line int
	Name string

	Level    pb.LogLevel
	Path     string
	Text     string
	Number   int64
	Duration time.Duration
	Words    []string
	// JSON is protobuf JSON of the section's Complete for complete, or of a Response for respond. Nil if it was left out.
	JSON []byte
}

// Find returns the steps for a request that is the number-th of its kind, or nil.
func (s *Script) Find(request string, number int) []Step {
	var steps []Step
	for _, section := range s.Sections {
		switch {
		case section.Request != request:
		case section.Number == number:
			return section.Steps
		case section.Number == 0:
			steps = section.Steps
		}
	}
	return steps
}

// Error is what is wrong with a script, and where.
type Error struct {
	File string
	Line int
	Text string
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text) }
