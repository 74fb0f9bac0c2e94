package main

import (
	"bytes"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What has started the daemon is told when it takes sessions, and when it stops.
func TestServiceManagerIsTold(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	told := func() string {
		t.Helper()
		b := make([]byte, 1<<10)
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	listen := filepath.Join(dir, "s")
	cmd := exec.Command("provisor", "serve", "--listen", "unix:"+listen, "--data-dir", filepath.Join(dir, "data"), "--plugin", "../../../plugins/echo")
	cmd.Env = append(cmd.Environ(), "NOTIFY_SOCKET="+socket)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, &out)
		}
	}()
	terminate := sync.OnceFunc(func() { // a second one could come when nothing catches it any more
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	})
	defer terminate()
	if got := told(); got != "READY=1" {
		t.Errorf("told %q", got)
	}
	client, err := net.Dial("unix", listen)
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	terminate()
	if got := told(); got != "STOPPING=1" {
		t.Errorf("told %q", got)
	}
}
