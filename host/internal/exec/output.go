package exec

import (
	"os"
	"sync"
	"time"

	"github.com/provisor/provisor/abi"
)

// How much of a stream waits in memory for a reader: chunkCount chunks of at most chunkSize bytes. Beyond that the
// program is held up by its full pipe.
const (
	chunkSize  = 32 << 10
	chunkCount = 8
)

// gather is the time between two pieces of output that come in a burst: engines write a line at a time, and each piece wakes up whoever reads
// it, down to the client. What comes after a silence is passed on at once, and so is what the program leaves at its end. Where so much comes
// that a chunk is filled earlier, it becomes shorter: the program must not wait for us.
const gather = 20 * time.Millisecond

// output carries one stream from the program's pipe to Read.
type output struct {
	stream abi.Stream
	pipe   *readEnd
	chunks chan []byte
	// ended is closed when nothing more comes from the pipe.
	ended chan struct{}

	// hurried is closed once nothing is to be waited for any more.
	hurried   chan struct{}
	hurryOnce sync.Once

	discarded   chan struct{}
	discardOnce sync.Once

	// Owned by whoever holds Process.reading.
	rest    []byte // of the chunk that is being read
	drained bool   // chunks is closed and empty
}

func newOutput(s abi.Stream, pipe *readEnd) *output {
	return &output{
		stream:    s,
		pipe:      pipe,
		chunks:    make(chan []byte, chunkCount),
		ended:     make(chan struct{}),
		hurried:   make(chan struct{}),
		discarded: make(chan struct{}),
	}
}

// copy moves bytes from the pipe to chunks until the pipe ends, admit takes less than it is given, or finish was called
// and the pipe is empty.
func (o *output) copy(admit func(int) int) {
	defer close(o.chunks)
	defer close(o.ended)
	defer o.pipe.Close()
	buf := make([]byte, chunkSize)
	wait := gather
	var passed time.Time
	for {
		n, err := o.pipe.Read(buf)
		if err == nil && n < len(buf) {
			n += o.more(buf[n:], wait-time.Since(passed))
		}
		if n == len(buf) {
			wait /= 2
		} else {
			wait = min(2*wait+gather/1024, gather)
		}
		passed = time.Now()
		if !o.pass(buf[:n], admit) {
			return
		}
		if err != nil {
			if os.IsTimeout(err) {
				o.copyLeft(buf, admit)
			}
			return
		}
	}
}

// more is how much more has come in the pipe after a wait.
func (o *output) more(buf []byte, wait time.Duration) int {
	if wait < gather/32 {
		return 0
	}
	select {
	case <-time.After(wait):
	case <-o.hurried:
	}
	return o.pipe.more(buf)
}

// copyLeft moves what is in the pipe at this moment, at most what a pipe usually holds: who still has its other end may
// go on writing for ever.
func (o *output) copyLeft(buf []byte, admit func(int) int) {
	const most = 1 << 20
	for total := 0; total < most; {
		n := o.pipe.more(buf)
		if n <= 0 || !o.pass(buf[:n], admit) {
			return
		}
		total += n
	}
}

// pass hands b on to the reader, or drops it once the output is discarded. It reports whether more may come.
func (o *output) pass(b []byte, admit func(int) int) bool {
	if len(b) == 0 {
		return true
	}
	n := admit(len(b))
	if n > 0 {
		select {
		case o.chunks <- append([]byte(nil), b[:n]...):
		case <-o.discarded:
		}
	}
	return n == len(b)
}

// hurry has copy gather nothing from now on.
func (o *output) hurry() { o.hurryOnce.Do(func() { close(o.hurried) }) }

// finish makes copy return once the pipe is empty, even if someone still holds its other end.
func (o *output) finish() { o.pipe.expire() }

// discard drops all output from now on.
func (o *output) discard() {
	o.discardOnce.Do(func() { close(o.discarded) })
	o.hurry()
}

// live is the channel to wait on: none once it is drained.
func (o *output) live() <-chan []byte {
	if o.drained {
		return nil
	}
	return o.chunks
}

func (o *output) takeRest(buf []byte) (abi.Stream, int) {
	n := copy(buf, o.rest)
	o.rest = o.rest[n:]
	return o.stream, n
}
