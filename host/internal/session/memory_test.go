package session

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/provisor/provisor/host/internal/tenant"
)

// A session holds its largest message once, and of what it sends in pieces one piece more. While a plugin works on a request, the host
// has given that away.
func TestMemoryOfLargeMessages(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	const size, more = len(zeros), 0.25 // of a message: some pieces of 2 MiB, and what else there is
	e := newEcho(t)
	for _, c := range []struct {
		name, script   string
		archive, state int
	}{
		{"an archive", "on init\nlog info working\nsleep 3s\n", size, 0},
		{"a state", "on plan\nlog info working\nsleep 3s\n", 0, size},
		{"a plan", "on plan\npad 48MiB\n", 0, 0},
		{"module files, in pieces", "on init\npad 48MiB\n", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := e.place(t)
			s := &forgetful{requests: make(chan []byte), working: make(chan struct{}, 1), ended: make(chan struct{}, 1)}
			watch := watchHeap()
			done := make(chan error)
			go func() {
				done <- Run(context.Background(), Options{
					Tenant: tenant.Default, Plugin: e.Name, Instances: p,
					Directory: func(context.Context) (Directory, error) { return p, nil },
				}, s)
			}()
			s.requests <- request(Config)
			s.requests <- largeInit(t, c.script, c.archive)
			if c.archive > 0 {
				s.checkGivenAway(t, watch, size)
			}
			<-s.ended
			s.requests <- largePlan(c.state)
			if c.state > 0 {
				s.checkGivenAway(t, watch, size)
			}
			<-s.ended
			close(s.requests)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got := watch.peak(size); got > 1+more {
				t.Errorf("the message was there %.2f times at once, want once", got)
			}
		})
	}
}

// checkGivenAway waits, while the plugin sleeps, for the request to be gone.
func (s *forgetful) checkGivenAway(t *testing.T, w *heapWatch, size int) {
	t.Helper()
	<-s.working
	var held float64
	for ended := false; !ended; {
		ended = len(s.ended) > 0
		if held = w.times(size); held < 0.1 {
			return
		}
	}
	t.Errorf("the host still has the request %.2f times while the plugin works on it", held)
}

// forgetful is a stream that keeps none of what goes through it.
type forgetful struct {
	requests chan []byte
	// working gets something for a Log, ended for each Complete.
	working, ended chan struct{}
}

func (s *forgetful) Recv() ([]byte, error) {
	if b, ok := <-s.requests; ok {
		return b, nil
	}
	return nil, io.EOF
}

func (s *forgetful) Send(b []byte) error {
	e, err := open(responseType, b)
	switch e.kind {
	case Kind(responseLog):
		s.working <- struct{}{}
	case Init, Plan:
		s.ended <- struct{}{}
	default:
		// What is allocated during a collection counts as live: without this, pieces that are sent and gone would.
		liveHeap()
	}
	return err
}

// zeros are what large messages are full of.
var zeros [48 << 20]byte

// request is an encoded Request whose parts are in memory just once.
func request(k Kind, parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	b := make([]byte, 0, size+16)
	b = protowire.AppendTag(b, protowire.Number(k), protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// largeInit is an Init whose archive has the script and a file of that size.
func largeInit(t *testing.T, script string, size int) []byte {
	t.Helper()
	var head bytes.Buffer
	w := tar.NewWriter(&head)
	for _, h := range []*tar.Header{{Name: "echo.txt", Mode: 0o600, Size: int64(len(script))}, {Name: "padding", Mode: 0o600, Size: int64(size)}} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Name == "echo.txt" {
			if _, err := w.Write([]byte(script)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return request(Init, bytesHeader(1, head.Len()+size), head.Bytes(), zeros[:size])
}

func largePlan(state int) []byte {
	return request(Plan, bytesHeader(6, state), zeros[:state])
}

// heapWatch looks for the most that is live in this process's heap.
type heapWatch struct {
	stop     chan struct{}
	watching sync.WaitGroup
	// base is what was live at first, most the most that came to it.
	base, most uint64
}

func watchHeap() *heapWatch {
	w := &heapWatch{stop: make(chan struct{}), base: liveHeap()}
	w.watching.Go(func() {
		for {
			select {
			case <-w.stop:
				return
			default:
				w.most = max(w.most, w.now())
			}
		}
	})
	return w
}

// now is what is live beyond what was at first.
func (w *heapWatch) now() uint64 {
	live := liveHeap()
	return live - min(w.base, live)
}

// times is how often a message of that size would fit into that.
func (w *heapWatch) times(size int) float64 { return float64(w.now()) / float64(size) }

// peak ends the watch, and is the most that times has been.
func (w *heapWatch) peak(size int) float64 {
	close(w.stop)
	w.watching.Wait()
	return float64(w.most) / float64(size)
}

// liveHeap is what a collection leaves.
func liveHeap() uint64 {
	runtime.GC()
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
