package server_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
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
	dir := daemontest.SocketDir(t)
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
	serving := daemontest.Serve(t, s.Serve, runtime.Close)
	if d.client, err = client.Dial(s.Addresses()[0], client.Options{}); err != nil {
		t.Fatal(err)
	}
	d.stop = func() {
		d.client.Close()
		serving.Stop()
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

func initWith(script string) *pb.Request {
	return &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: daemontest.EchoTemplate(script)}}}
}

// The requests, without content.
var (
	parse = &pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}}
	plan  = &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}}
	apply = &pb.Request{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{}}}
	graph = &pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{}}}
)
