package copies

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/provisor/provisor/host/internal/garbage"
)

const (
	// MaxState is the largest state that is copied, in bytes; twice what a message may have by default.
	MaxState = 128 << 20
	// readerMemory bounds what all reading of states takes at once, in bytes.
	readerMemory = 4 * MaxState
	// tickSlack is how close in time two changes of a file may be without its time telling them apart.
	tickSlack = 50 * time.Millisecond
)

// A state file is read in a directory that its template can write to: nothing in it is what it seems to be until it is open.

// errUnchanged: the file is as it was when it was last looked at.
var errUnchanged = errors.New("unchanged")

// errNotWhole: the file is no state now. It may become one.
var errNotWhole = errors.New("not a whole JSON document")

// sum is the checksum of a state's content.
type sum [sha256.Size]byte

// Reader reads states, with bounded memory: one for all that a process copies.
type Reader struct{ memory *semaphore.Weighted }

// NewReader makes one.
func NewReader() Reader { return Reader{semaphore.NewWeighted(readerMemory)} }

// look reads the named file and passes its content to use, if it is a regular file that holds a whole JSON document and is not as it was
// (nil = whatever it was). The content is use's until it returns.
func (r Reader) look(root *os.Root, name string, was fs.FileInfo, use func([]byte) error) (fs.FileInfo, error) {
	info, err := root.Lstat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: %w: it is no regular file", name, errNotWhole)
	case was != nil && same(info, was):
		return nil, errUnchanged
	}
	// Without blocking: it may be a FIFO by now.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const attempts = 5
	for range attempts {
		before, err := f.Stat()
		if err != nil {
			return nil, err
		}
		if !before.Mode().IsRegular() || !os.SameFile(info, before) {
			return nil, fmt.Errorf("%s: %w: it was exchanged", name, errNotWhole)
		}
		if before.Size() > MaxState {
			return nil, &TooLargeError{name, before.Size()}
		}
		err = r.read(f, before, use)
		if !errors.Is(err, errMoving) {
			return before, err
		}
	}
	return nil, fmt.Errorf("%s: %w: it is being written", name, errNotWhole)
}

// errMoving: the file was written while it was read, so that what was read may be half of one state and half of another.
var errMoving = errors.New("it was written while it was read")

func (r Reader) read(f *os.File, before fs.FileInfo, use func([]byte) error) error {
	weight := before.Size() + 1
	// It can't fail: nothing ends the context, and no file has more than all of it.
	_ = r.memory.Acquire(context.Background(), weight)
	defer r.memory.Release(weight)
	content, err := readAll(f, before.Size())
	if err != nil {
		return err
	}
	if time.Since(before.ModTime()) < tickSlack {
		if err := readAgain(f, content); err != nil {
			return err
		}
	}
	after, err := f.Stat()
	if err != nil {
		return err
	}
	if int64(len(content)) != before.Size() || !same(before, after) {
		return errMoving
	}
	if !json.Valid(content) {
		return fmt.Errorf("%s: %w", f.Name(), errNotWhole)
	}
	return use(content)
}

// readAll reads a file from its beginning, up to a byte more than it should have.
func readAll(f *os.File, size int64) ([]byte, error) {
	garbage.Before(size)
	content := make([]byte, size+1)
	n, err := io.ReadFull(io.NewSectionReader(f, 0, size+1), content)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	return content[:n], err
}

// readAgain returns errMoving where the file has something else now. It holds no second copy of it.
func readAgain(f *os.File, content []byte) error {
	again, buffer := io.NewSectionReader(f, 0, int64(len(content))+1), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(again, buffer)
		if n > len(content) || !bytes.Equal(buffer[:n], content[:n]) {
			return errMoving
		}
		content = content[n:]
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			if len(content) > 0 {
				return errMoving
			}
			return nil
		case err != nil:
			return err
		}
	}
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// TooLargeError is a state that is too large to be copied.
type TooLargeError struct {
	Name string
	Size int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s has %d bytes, and at most %d are copied", e.Name, e.Size, MaxState)
}
