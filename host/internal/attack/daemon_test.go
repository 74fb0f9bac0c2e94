package attack

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
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
	log          *daemontest.Log
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
	dir := daemontest.SocketDir(t)
	d := &daemon{data: filepath.Join(dir, "data"), engine: filepath.Join(dir, "terraform"), log: new(daemontest.Log)}
	// A process that is begun meanwhile would have it open for a while, and nobody could run it.
	syscall.ForkLock.RLock()
	err := os.WriteFile(d.engine, []byte(engineScript), 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
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
	o.Log = d.log.Logger()
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
	serving := daemontest.Serve(t, s.Serve, runtime.Close)
	d.stop = func() {
		d.client.Close()
		serving.Stop()
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
