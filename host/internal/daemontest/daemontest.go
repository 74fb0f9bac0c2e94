// Package daemontest has what tests of daemons stand on: a place for sockets, serving until the test's end, the log, templates, certificates, a line
// that can be cut, what sessions have left, and patience. It imports nothing of the host, so that tests within any package can use it.
package daemontest

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// Patience is how long a busy machine may take for what is a matter of milliseconds.
const Patience = time.Minute

// Soon waits until the condition holds, with Patience, and returns whether it does.
func Soon(condition func() bool) bool {
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return true
		}
	}
	return condition()
}

// SocketDir is a directory whose path is short enough for sockets. It is removed at the test's end.
func SocketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dmn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Serving is what Serve has begun.
type Serving struct {
	// Drain ends what serves, and does not wait for it.
	Drain context.CancelFunc
	// Done is closed when nothing serves any more, and all is closed.
	Done chan struct{}
}

// Serve serves until the test's end, or until the Serving is told to stop before. Then it closes what is to be closed, in that order. Errors fail the
// test.
func Serve(t testing.TB, serve func(context.Context) error, then ...func() error) *Serving {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Serving{Drain: cancel, Done: make(chan struct{})}
	go func() {
		defer close(s.Done)
		if err := serve(ctx); err != nil {
			t.Errorf("serve: %v", err)
		}
		for _, closes := range then {
			if err := closes(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	}()
	t.Cleanup(s.Stop)
	return s
}

// Stop ends it, and waits until it is Done. It may be called more than once.
func (s *Serving) Stop() {
	s.Drain()
	<-s.Done
}

// Log keeps what is logged. It is written and read by several goroutines; the zero value is empty.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is all that was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Reset forgets it.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

// Logger logs to it, as text.
func (l *Log) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// Template is the archive of a template: content by file name.
func Template(files map[string]string) []byte {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		// Neither can fail: the archive is in memory, and has what its header says.
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(files[name]))})
		_, _ = io.WriteString(w, files[name])
	}
	_ = w.Close()
	return archive.Bytes()
}

// EchoTemplate is the archive of a template that tells the echo plugin what to do.
func EchoTemplate(script string) []byte { return Template(map[string]string{"echo.txt": script}) }
