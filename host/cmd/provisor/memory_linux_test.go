package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// A daemon has what is large at most twice at once, garbage included, however it comes and goes: as an archive or a state in a request, as the
// answer of a plugin, in pieces, and as a state that is copied aside while an engine writes it.
func TestMemoryOfADaemon(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("it takes a while, and the race detector has memory of its own")
	}
	const size, slack = 60 << 20, 40 << 20 // for some pieces, and what else there is
	dir := daemontest.SocketDir(t)
	engine := filepath.Join(dir, "terraform")
	if err := os.WriteFile(engine, []byte("#!/bin/sh\n[ $1 != version ] || { echo Terraform v1.11.4; exit; }\nexec /bin/sh \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	// What compiled the plugin has more memory than it needs afterwards.
	if out, err := exec.Command("provisor", "parse", "--plugin", "../../../plugins/echo", "--engine", engine, t.TempDir()).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pid, c := startServing(t, dir, "--plugin", "../../../plugins/echo", "--engine", engine)
	writes := fmt.Sprintf("run terraform -c \"(echo '{'; head -c %d /dev/zero | tr '\\\\000' ' '; echo '}') >terraform.tfstate\"\n", size)
	plan, apply := &pb.PlanRequest{}, &pb.Request{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{}}}
	play := func(script string, padding int, plan *pb.PlanRequest, more ...*pb.Request) {
		t.Helper()
		s, err := c.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Configure(&pb.Config{}); err != nil {
			t.Fatal(err)
		}
		archive := daemontest.Template(map[string]string{"echo.txt": script, "padding": strings.Repeat("x", padding)})
		for _, r := range append([]*pb.Request{
			{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: archive}}}, {Type: &pb.Request_Plan{Plan: plan}},
		}, more...) {
			answer, err := s.Do(t.Context(), r, nil)
			if err != nil || client.ErrorOf(answer) != "" {
				t.Fatal(err, client.ErrorOf(answer))
			}
		}
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); err != io.EOF {
			t.Fatal(err)
		}
	}
	play("", 0, plan)
	watch := watchHost(t, pid)
	t.Logf("without: %d MiB", watch.base>>20)
	for name, play := range map[string]func(){
		"an archive":                    func() { play("", size, plan) },
		"a state in a request":          func() { play("", 0, &pb.PlanRequest{State: make([]byte, size)}) },
		"a plan in an answer":           func() { play("on plan\npad 60MiB\n", 0, plan) },
		"module files":                  func() { play("on init\npad 60MiB\n", 0, plan) },
		"a state":                       func() { play("on apply\npad 60MiB\n", 0, plan, apply) },
		"a state that an engine writes": func() { play("on apply\n"+writes, 0, plan, apply) },
		"both":                          func() { play("on apply\n"+writes+"pad 60MiB\n", 0, plan, apply) },
	} {
		play()
		grown := watch.grown()
		t.Logf("%s: up to %d MiB more by then", name, grown>>20)
		if grown > 2*size+slack {
			t.Fatalf("%s of %d MiB: the daemon had %d MiB more than without", name, size>>20, grown>>20)
		}
	}
}

// startServing starts a daemon in the directory, and ends it with the test.
func startServing(t *testing.T, dir string, args ...string) (pid int, c *client.Client) {
	t.Helper()
	socket := filepath.Join(dir, "s")
	cmd := exec.Command("provisor", append([]string{"serve", "--listen", "unix:" + socket, "--data-dir", filepath.Join(dir, "data")}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, &out)
		}
	})
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			break
		}
		if time.Since(began) > patience {
			t.Fatal("the daemon does not listen")
		}
	}
	c, err := client.Dial("unix:"+socket, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return cmd.Process.Pid, c
}

// hostWatch looks again and again for how much of a process is resident, but for the memories of plugins.
type hostWatch struct {
	base int64
	mu   sync.Mutex
	most int64
}

func watchHost(t *testing.T, pid int) *hostWatch {
	w := &hostWatch{base: hostResident(t, pid)}
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			now := hostResident(t, pid)
			w.mu.Lock()
			w.most = max(w.most, now)
			w.mu.Unlock()
		}
	})
	t.Cleanup(func() { close(stop); watching.Wait() })
	return w
}

// grown is the most that it has had beyond what it had at first, in bytes.
func (w *hostWatch) grown() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most - w.base
}

func hostResident(t *testing.T, pid int) (sum int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Error(err)
	}
	var resident int64
	for line := range strings.Lines(string(text)) {
		switch fields := strings.Fields(line); fields[0] {
		case "Rss:":
			resident, _ = strconv.ParseInt(fields[1], 10, 64)
		case "VmFlags:": // the last line of a mapping
			if !slices.Contains(fields, "nr") { // only the memories of plugins are mapped without a reserve
				sum += resident << 10
			}
		}
	}
	return sum
}
