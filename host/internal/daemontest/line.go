package daemontest

import (
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
)

// Line forwards connections until it is cut: then it takes all that comes and nothing goes through any more, and neither end is told.
type Line struct {
	// Address is what it listens at: a host and a port, or a socket's path.
	Address string

	once sync.Once
	cut  chan struct{}
}

// NewLine is a line to that address, until the test's end. The network is "tcp" or "unix".
func NewLine(t testing.TB, network, to string) *Line {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(SocketDir(t), "line")
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	l := &Line{Address: listener.Addr().String(), cut: make(chan struct{})}
	var forwarding sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	forwarding.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial(network, to)
			if err != nil {
				in.Close()
				return
			}
			mu.Lock()
			conns = append(conns, in, out)
			mu.Unlock()
			forwarding.Go(func() { _, _ = io.Copy(untilCut{out, l.cut}, in) })
			forwarding.Go(func() { _, _ = io.Copy(untilCut{in, l.cut}, out) })
		}
	})
	t.Cleanup(func() {
		l.Cut()
		listener.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		forwarding.Wait()
	})
	return l
}

// Cut cuts it. It may be called more than once.
func (l *Line) Cut() { l.once.Do(func() { close(l.cut) }) }

// untilCut writes until it is cut, and only says so from then on.
type untilCut struct {
	w   io.Writer
	cut chan struct{}
}

func (u untilCut) Write(b []byte) (int, error) {
	select {
	case <-u.cut:
		return len(b), nil
	default:
		return u.w.Write(b)
	}
}
