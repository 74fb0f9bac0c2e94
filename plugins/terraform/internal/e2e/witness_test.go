package e2e

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// witness hears from fixture_witnessed resources.
type witness struct {
	listener net.Listener

	mu           sync.Mutex
	begun, ended []string
	// heard is closed and made anew whenever something is heard.
	heard chan struct{}
}

func newWitness(t *testing.T) *witness {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{listener: l, heard: make(chan struct{})}
	var hearing sync.WaitGroup
	hearing.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			hearing.Go(func() { w.hear(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		hearing.Wait()
	})
	return w
}

func (w *witness) hear(conn net.Conn) {
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	what, name, _ := strings.Cut(strings.TrimSpace(line), " ")
	w.mu.Lock()
	if what == "begin" {
		w.begun = append(w.begun, name)
	} else {
		w.ended = append(w.ended, name)
	}
	close(w.heard)
	w.heard = make(chan struct{})
	w.mu.Unlock()
	_, _ = conn.Write([]byte{0}) // who is gone does not wait for it
}

// await waits until so many resources were begun, and so many made.
func (w *witness) await(t *testing.T, begun, made int) {
	t.Helper()
	timeout := time.After(3 * time.Minute)
	for {
		w.mu.Lock()
		heard, enough := w.heard, len(w.begun) >= begun && len(w.ended) >= made
		w.mu.Unlock()
		if enough {
			return
		}
		select {
		case <-heard:
		case <-timeout:
			t.Fatal("the apply does not begin")
		}
	}
}

// reset forgets all, and returns what was made.
func (w *witness) reset() (ended []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ended = w.ended
	w.begun, w.ended = nil, nil
	return ended
}

const (
	chains    = 4
	perChain  = 5
	resources = chains * perChain
)

// template makes the resources in chains, in each one after the other: at most one of a chain is under way at any time. So many milliseconds
// the first of each chain takes, so many the second, and the last number counts for the rest.
func (w *witness) template(millis ...int) string {
	var b strings.Builder
	for c := range chains {
		for i := range perChain {
			after := ""
			if i > 0 {
				after = fmt.Sprintf("depends_on = [fixture_witnessed.r%d_%d]", c, i-1)
			}
			fmt.Fprintf(&b, "resource \"fixture_witnessed\" \"r%[1]d_%[2]d\" {\n  name = \"r%[1]d_%[2]d\"\n  address = %[3]q\n  millis = %[4]d\n  %[5]s\n}\n",
				c, i, w.listener.Addr(), millis[min(i, len(millis)-1)], after)
		}
	}
	return b.String()
}
