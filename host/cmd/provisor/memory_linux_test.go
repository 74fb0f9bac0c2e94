package main

import (
	"bytes"
	"cmp"
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

// A session takes what is large at most twice at once of a daemon's own memory, and some garbage, however it comes and goes: as an archive or a
// state in a request, as the answer of a plugin, in pieces, and as a state that is copied aside while an engine writes it.
func TestMemoryOfADaemon(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("it takes a while, and the race detector has memory of its own")
	}
	const size, garbage = 60 << 20, 90 << 20 // without collections there is 250 to 410 MiB where pieces are sent, or states copied aside
	engine := filepath.Join(t.TempDir(), "terraform")
	if err := os.WriteFile(engine, []byte("#!/bin/sh\n[ $1 != version ] || { echo Terraform v1.11.4; exit; }\nexec /bin/sh \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	// What compiled the plugin has more memory than it needs afterwards.
	if out, err := exec.Command("provisor", "parse", "--plugin", "../../../plugins/echo", "--engine", engine, t.TempDir()).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	writes := fmt.Sprintf("run terraform -c \"(echo '{'; head -c %d /dev/zero | tr '\\\\000' ' '; echo '}') >terraform.tfstate\"\n", size)
	large := &pb.PlanRequest{State: make([]byte, size)}
	for name, c := range map[string]struct {
		script  string
		padding int
		plan    *pb.PlanRequest
	}{
		"an archive":                    {"", size, nil},
		"a state in a request":          {"", 0, large},
		"a plan in an answer":           {"on plan\npad 60MiB\n", 0, nil},
		"module files":                  {"on init\npad 60MiB\n", 0, nil},
		"a state":                       {"on apply\npad 60MiB\n", 0, nil},
		"a state that an engine writes": {"on apply\n" + writes, 0, nil},
		"both":                          {"on apply\n" + writes + "pad 60MiB\n", 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			pid, client := startServing(t, daemontest.SocketDir(t), "--plugin", "../../../plugins/echo", "--engine", engine)
			playUpToApply(t, client, map[string]string{}, nil)
			watch := watchHost(t, pid)
			playUpToApply(t, client, map[string]string{"echo.txt": c.script, "padding": strings.Repeat("x", c.padding)}, c.plan)
			grown := watch.grown()
			t.Logf("the daemon has had up to %d MiB beyond %d MiB", grown>>20, watch.base>>20)
			if grown > 2*size+garbage {
				t.Errorf("that is too much for %d MiB", size>>20)
			}
		})
	}
}

// playUpToApply plays a session from its beginning to its end, in which everything succeeds.
func playUpToApply(t *testing.T, c *client.Client, template map[string]string, plan *pb.PlanRequest) {
	t.Helper()
	s, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Configure(&pb.Config{}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*pb.Request{
		{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: daemontest.Template(template)}}},
		{Type: &pb.Request_Plan{Plan: cmp.Or(plan, new(pb.PlanRequest))}},
		{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{}}},
	} {
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
