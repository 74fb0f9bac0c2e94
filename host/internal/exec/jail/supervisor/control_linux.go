package supervisor

import (
	"io"
	"os"
	"syscall"
)

// maxFiles is how many files the kernel takes along with a message at most.
const maxFiles = 253

// control is the supervisor's end of the control socket.
type control struct {
	file *os.File
	conn syscall.RawConn
	// rights is where the kernel puts what comes along with bytes, files are those that have come with what was read.
	rights []byte
	files  []int
}

func newControl() (*control, error) {
	if err := syscall.SetNonblock(ControlFile, true); err != nil { // so that waiting for commands takes no thread
		return nil, err
	}
	c := &control{file: os.NewFile(ControlFile, "control"), rights: make([]byte, syscall.CmsgSpace(4*maxFiles))}
	var err error
	c.conn, err = c.file.SyscallConn()
	return c, err
}

// Read implements io.Reader. It keeps the files that come with the bytes.
func (c *control) Read(b []byte) (n int, err error) {
	var size int
	waited := c.conn.Read(func(fd uintptr) bool {
		for {
			n, size, _, _, err = syscall.Recvmsg(int(fd), b, c.rights, syscall.MSG_CMSG_CLOEXEC)
			if err != syscall.EINTR {
				return err != syscall.EAGAIN
			}
		}
	})
	switch {
	case waited != nil:
		return 0, waited
	case err != nil:
		return 0, err
	}
	messages, err := syscall.ParseSocketControlMessage(c.rights[:size])
	if err != nil {
		return 0, err
	}
	for _, m := range messages {
		files, err := syscall.ParseUnixRights(&m)
		if err != nil {
			return 0, err
		}
		c.files = append(c.files, files...)
	}
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// command is what the daemon wants.
type command struct {
	what byte
	// run and its files come with Start.
	run   *Run
	files []int
}

// commands passes on what the daemon wants, until it is gone.
func (c *control) commands(to chan<- command) {
	defer close(to)
	for {
		var b [1]byte
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return
		}
		next := command{what: b[0]}
		if next.what == Start {
			next.run = &Run{}
			if Read(c, next.run) != nil {
				return
			}
			next.files, c.files = c.files, nil
			if len(next.files) != next.run.files() {
				return
			}
		}
		to <- next
	}
}

// files is how many files come with a run.
func (r *Run) files() int { return Streams + r.Drains + r.Holds }

// Streams are a program's standard input, output and error.
const Streams = 3

func closeAll(files []int) {
	for _, fd := range files {
		_ = syscall.Close(fd)
	}
}
