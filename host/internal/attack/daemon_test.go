package attack

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/server"
	"github.com/provisor/provisor/host/internal/tenant"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// echoPlugin is the plugin that does what the template says.
var echoPlugin = filepath.FromSlash("../../../plugins/echo")

// engineScript answers to version as Terraform does, and otherwise runs what it is told to: a plugin that may run the engine may run
// anything, since templates may.
const engineScript = `#!/bin/sh
case "$1" in
version) echo "Terraform v1.11.4" ;;
sh) shift; exec /bin/sh -c "$@" ;;
esac
`

// daemon is a server over a runtime of its own.
type daemon struct {
	client  *client.Client
	address string
	// data and engine are its data directory and its engine's file.
	data, engine string
	log          *logBuffer
	// stop ends it; it is called at the test's end at the latest.
	stop func()
}

// startDaemon starts a daemon with a script for an engine, unless another is named.
func startDaemon(t testing.TB, o host.Options, so server.Options) *daemon {
	t.Helper()
	d, err := newDaemon(t, o, so)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func newDaemon(t testing.TB, o host.Options, so server.Options) (*daemon, error) {
	t.Helper()
	dir, err := os.MkdirTemp("", "attack") // short enough for a socket
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &daemon{data: filepath.Join(dir, "data"), engine: filepath.Join(dir, "terraform"), log: new(logBuffer)}
	if err := os.WriteFile(d.engine, []byte(engineScript), 0o700); err != nil {
		return nil, err
	}
	if o.Plugin == "" {
		o.Plugin = echoPlugin
	}
	if o.Engine == "" {
		o.Engine = d.engine
	}
	if o.Concurrency == 0 {
		o.Concurrency = 64 // attacks are to run beside the honest session, not in its turn
	}
	o.DataDir, o.Ballast, o.MinFree = d.data, -1, -1
	o.Log = slog.New(slog.NewTextHandler(d.log, nil))
	runtime, err := host.New(t.Context(), o)
	if err != nil {
		return nil, err
	}
	listener := server.Listener{Address: "unix:" + filepath.Join(dir, "s")}
	if so.Access == nil {
		listener.Anonymous = tenant.Default
	}
	so.Listeners = []server.Listener{listener}
	so.Log = o.Log
	s, err := server.Listen(so, runtime.Session)
	if err != nil {
		return nil, errors.Join(err, runtime.Close())
	}
	d.address = s.Addresses()[0]
	if d.client, err = client.Dial(d.address, client.Options{}); err != nil {
		return nil, errors.Join(err, s.Close(), runtime.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(ctx); err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := runtime.Close(); err != nil {
			t.Errorf("close the runtime: %v", err)
		}
	}()
	var once sync.Once
	d.stop = func() {
		once.Do(func() {
			d.client.Close()
			cancel()
			<-done
		})
	}
	t.Cleanup(d.stop)
	return d, nil
}

// open opens a session and sends an empty Config.
func (d *daemon) open(ctx context.Context) (*client.Session, error) {
	s, err := d.client.Open(ctx)
	if err != nil {
		return nil, err
	}
	return s, s.Configure(&pb.Config{})
}

// left says what is left of sessions that have ended: their directories, and processes whose environment names the daemon's directory.
func (d *daemon) left() []string {
	var left []string
	_ = filepath.WalkDir(d.data, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && (e.Name() == "work" || e.Name() == "tmp") {
			left = append(left, path)
		}
		return nil
	})
	return append(left, d.processes()...)
}

// processes are those that run the daemon's engine, or what that has started.
func (d *daemon) processes() []string {
	var running []string
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && bytes.Contains(b, []byte(d.data)) {
			command, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
			running = append(running, name+" "+string(bytes.ReplaceAll(command, []byte{0}, []byte{' '})))
		}
	}
	return running
}

// logBuffer is a daemon's log.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// patience is how long a busy machine may take for what is a matter of milliseconds.
const patience = 60 * time.Second

// soon waits until the condition holds.
func soon(condition func() bool) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return true
		}
	}
	return condition()
}
