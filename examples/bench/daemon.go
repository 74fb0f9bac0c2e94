package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
)

// daemon is a provisor that serves sessions in a process of its own, as operators have it.
type daemon struct {
	address string
	metrics string // the socket on which it says what it counts
	command *exec.Cmd
	ended   chan error
	log     *strings.Builder
}

// startDaemon starts a daemon with the plugin in that directory.
func (b *bench) startDaemon(ctx context.Context, plugin string, args ...string) (*daemon, error) {
	dir, err := os.MkdirTemp(b.dir, "d")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "s")
	d := &daemon{address: "unix:" + socket, metrics: filepath.Join(dir, "m"), ended: make(chan error, 1), log: new(strings.Builder)}
	d.command = exec.Command(b.provisor, append([]string{
		"serve", "--listen", d.address, "--log-level", "warn", "--data-dir", filepath.Join(dir, "data"), "--plugin", plugin, "--mirror", b.mirror,
		"--telemetry-listen", "unix:" + d.metrics,
	}, args...)...)
	d.command.Stdout, d.command.Stderr = d.log, d.log
	if err := d.command.Start(); err != nil {
		return nil, err
	}
	go func() { d.ended <- d.command.Wait() }()
	for {
		if conn, err := net.Dial("unix", socket); err == nil {
			return d, conn.Close()
		}
		select {
		case err := <-d.ended:
			return nil, fmt.Errorf("the daemon has ended: %v\n%s", err, d.log)
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), d.stop())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (d *daemon) stop() error {
	if err := d.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := <-d.ended; err != nil {
		return fmt.Errorf("the daemon ended with %w\n%s", err, d.log)
	}
	return nil
}

func (d *daemon) dial() (*client.Client, error) { return client.Dial(d.address, client.Options{}) }

// supervisors is the processor time that the supervisors of its engines have used by themselves. The system counts it together with that of
// the engines, and so does cpu. To ask is work for the daemon, which is none of a session's.
func (d *daemon) supervisors(ctx context.Context) (time.Duration, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", d.metrics)
	}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://daemon/metrics", nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	const name = "provisor_supervisor_cpu_seconds_total "
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			seconds, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return time.Duration(seconds * float64(time.Second)), err
		}
	}
	return 0, fmt.Errorf("the daemon does not count %s", name)
}

// cpu is the processor time that the daemon has used, and that of its children that have ended.
func (d *daemon) cpu() (own, children time.Duration, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.command.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	// The name in parentheses may hold anything; the fields after it are numbered from 3 on.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks [2]int64
	for i := range ticks {
		if ticks[i], err = strconv.ParseInt(fields[16-3+i], 10, 64); err != nil {
			return 0, 0, err
		}
	}
	// Linux tells this in hundredths of a second on all its platforms, that of a process itself by a clock (CPUCLOCK_SCHED), too.
	const tick = time.Second / 100
	var clock unix.Timespec
	err = unix.ClockGettime(int32(^d.command.Process.Pid<<3|2), &clock)
	return time.Duration(clock.Nano()), time.Duration(ticks[0]+ticks[1]) * tick, err
}

// daemonVariant is a way in which a daemon runs engines.
type daemonVariant struct {
	name string
	args []string
}

// engineGraph has the engine make graphs, instead of deriving them from the configuration.
var engineGraph = []string{"--plugin-setting", "terraform_graph=engine"}

// daemonVariants are the daemon as it is by default, with the engine's graph, and without a jail around engines.
func daemonVariants() []daemonVariant {
	var bare []string
	for _, l := range host.JailLayers() {
		bare = append(bare, "--jail-disable", string(l))
	}
	return []daemonVariant{{ours, nil}, {ours + withEngineGraph, engineGraph}, {ours + " without a jail", bare}}
}
