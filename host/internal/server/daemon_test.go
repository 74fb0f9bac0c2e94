package server_test

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/server"
	"github.com/provisor/provisor/host/internal/tenant"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// daemon is a server over a real runtime with the echo plugin, and with a script for an engine.
type daemon struct {
	client *client.Client
	// data and engine are its data directory and its engine's file.
	data, engine string
	// seen is set once one of its engines was seen running.
	seen atomic.Bool
	// stop ends it; it is called at the test's end at the latest.
	stop func()
}

// engineScript answers to version as Terraform does, and otherwise works until it is interrupted, with a child that does not care.
const engineScript = `#!/bin/sh
case "$1" in
version) echo "Terraform v1.11.4" ;;
work) trap 'exit 130' INT; echo working; sleep 60 & wait ;;
esac
`

func startDaemon(t *testing.T, o host.Options) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "daemon") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &daemon{data: filepath.Join(dir, "data"), engine: filepath.Join(dir, "terraform")}
	if err := os.WriteFile(d.engine, []byte(engineScript), 0o700); err != nil {
		t.Fatal(err)
	}
	o.Plugin, o.Engine, o.DataDir = filepath.FromSlash("../../../plugins/echo"), d.engine, d.data
	o.Log = slog.New(slog.DiscardHandler)
	runtime, err := host.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.Listen(server.Options{Listeners: []server.Listener{{Address: "unix:" + filepath.Join(dir, "s"), Anonymous: tenant.Default}}, Log: o.Log}, runtime.Session)
	if err != nil {
		t.Fatal(err)
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
	if d.client, err = client.Dial(s.Addresses()[0], client.Options{}); err != nil {
		t.Fatal(err)
	}
	d.stop = func() {
		d.client.Close()
		cancel()
		<-done
	}
	t.Cleanup(d.stop)
	return d
}

// open opens a session and sends an empty Config.
func (d *daemon) open(ctx context.Context) (*client.Session, error) {
	s, err := d.client.Open(ctx)
	if err != nil {
		return nil, err
	}
	return s, s.Configure(&pb.Config{})
}

// left are the directories of sessions.
func (d *daemon) left(t *testing.T) []string {
	t.Helper()
	var left []string
	err := filepath.WalkDir(d.data, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && (e.Name() == "work" || e.Name() == "tmp") {
			left = append(left, path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return left
}

// running are the processes that run the daemon's engine, or what that has started: their environment names the daemon's directory.
func (d *daemon) running() []string {
	var running []string
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && bytes.Contains(b, []byte(d.data)) {
			running = append(running, name)
		}
	}
	return running
}

// template is an archive with a script for the echo plugin.
func template(script string) []byte {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	// Neither can fail: the archive is in memory, and has what its header says.
	_ = w.WriteHeader(&tar.Header{Name: "echo.txt", Mode: 0o600, Size: int64(len(script))})
	_, _ = io.WriteString(w, script)
	_ = w.Close()
	return archive.Bytes()
}

func initWith(script string) *pb.Request {
	return &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: template(script)}}}
}

// The requests, without content.
var (
	parse = &pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}}
	plan  = &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}}
	apply = &pb.Request{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{}}}
	graph = &pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{}}}
)

// soon waits until the condition holds, for as long as a busy machine may take.
func soon(condition func() bool) bool {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if condition() {
			return true
		}
	}
	return condition()
}
