package supervisor

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// Spec is what a supervisor is to run and how.
type Spec struct {
	Path string
	Args []string // with the program's own name
	Env  []string
	Dir  string
	// ExitTimeout is how long the program may take to end once the daemon is gone.
	ExitTimeout time.Duration

	// Drains are read ends of the program's output: read once the daemon no longer does, so that the program can come to its end.
	Drains int
	// Holds are files that are just kept open, such as a lock.
	Holds int

	// Try says that the jail is put up with no program in it. There are no other files then than the control socket.
	Try bool

	// First says that the supervisor is the first process of a pid namespace.
	First bool
}

// Event is what a supervisor tells the daemon: exactly one of these.
type Event struct {
	Started bool     `json:",omitempty"`
	Failure *Failure `json:",omitempty"`
	Exit    *Exit    `json:",omitempty"`
}

// Exit is how the program itself ended.
type Exit struct {
	Status syscall.WaitStatus
	MaxRSS int64 // bytes
}

// Failure is why the program was not started.
type Failure struct {
	// Layer is the part of the jail that could not be put up; empty = the program could not be executed.
	Layer string `json:",omitempty"`
	// What was tried.
	What  string
	Errno syscall.Errno `json:",omitempty"`
	Text  string
}

func (f *Failure) Error() string {
	if f.Layer == "" {
		return f.Text
	}
	return fmt.Sprintf("jail: %s: %s: %s", f.Layer, f.What, f.Text)
}

// Unwrap is the system's error.
func (f *Failure) Unwrap() error {
	if f.Errno == 0 {
		return nil
	}
	return f.Errno
}

// failed says that something could not be done for a layer.
func failed(layer, what string, err error) *Failure {
	f := &Failure{Layer: layer, What: what, Text: err.Error()}
	errors.As(err, &f.Errno)
	return f
}

// maxSpec is far above what fits into a program's arguments and environment.
const maxSpec = 64 << 20

// WriteSpec writes a Spec for a supervisor to read.
func WriteSpec(w io.Writer, s *Spec) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

func readSpec(r io.Reader) (*Spec, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxSpec {
		return nil, fmt.Errorf("a specification of %d bytes", n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	s := &Spec{}
	return s, json.Unmarshal(b, s)
}
