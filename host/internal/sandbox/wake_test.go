package sandbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/wasmtest"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// The functions of the host that a plugin can wait in, each with a plugin that would wait for ever.
var blocking = map[string]func(*wasmtest.Plugin) []byte{
	abi.FuncLog: func(p *wasmtest.Plugin) []byte { return p.Host(abi.FuncLog, 2, 0, 0) },
	abi.FuncExecRead: func(p *wasmtest.Plugin) []byte {
		return append(p.Host(abi.FuncExecRead, 1, 0, 10, -1), wasmtest.I32Wrap...)
	},
	abi.FuncExecWait:     func(p *wasmtest.Plugin) []byte { return p.Host(abi.FuncExecWait, 1, 0, 10) },
	abi.FuncExecClose:    func(p *wasmtest.Plugin) []byte { return p.Host(abi.FuncExecClose, 1) },
	abi.FuncCacheRestore: func(p *wasmtest.Plugin) []byte { return p.Host(abi.FuncCacheRestore, 0, 0) },
	abi.FuncCacheSave:    func(p *wasmtest.Plugin) []byte { return p.Host(abi.FuncCacheSave, 0, 0) },
	"poll_oneoff":        func(p *wasmtest.Plugin) []byte { return append(sleepFor(p, 1<<62), wasmtest.I32Const(0)...) },
}

// All others, and why nobody waits in them.
var immediate = map[string]string{
	abi.FuncSessionInfo: "copies", abi.FuncRespond: "copies", abi.FuncCanceled: "looks at a flag", abi.FuncLastError: "copies",
	abi.FuncExecStart: "starts and returns", abi.FuncExecWrite: "takes what fits", abi.FuncExecSignal: "signals and returns",
	abi.FuncChmod: "asks the file system", abi.FuncMode: "asks the file system",

	"args_get": "copies", "args_sizes_get": "copies", "environ_get": "copies", "environ_sizes_get": "copies",
	"clock_res_get": "looks at the clock", "clock_time_get": "looks at the clock", "random_get": "the system's generator does not block",
	"proc_exit": "ends the guest", "proc_raise": "is not there", "sched_yield": "lets others run, and returns",
	"fd_advise": "does nothing", "fd_allocate": "asks the file system", "fd_close": "asks the file system", "fd_datasync": "asks the file system",
	"fd_fdstat_get": "looks", "fd_fdstat_set_flags": "sets", "fd_fdstat_set_rights": "is not there",
	"fd_filestat_get": "asks the file system", "fd_filestat_set_size": "asks the file system", "fd_filestat_set_times": "asks the file system",
	// Only regular files and directories can be opened; standard input is empty, and standard output is the log, which does not wait.
	"fd_read": "reads files", "fd_pread": "reads files", "fd_write": "writes files", "fd_pwrite": "writes files", "fd_readdir": "reads files",
	"fd_prestat_get": "copies", "fd_prestat_dir_name": "copies", "fd_renumber": "is refused", "fd_seek": "sets", "fd_sync": "asks the file system", "fd_tell": "looks",
	"path_create_directory": "asks the file system", "path_filestat_get": "asks the file system", "path_filestat_set_times": "asks the file system",
	"path_link": "asks the file system", "path_open": "asks the file system, without blocking", "path_readlink": "asks the file system",
	"path_remove_directory": "asks the file system", "path_rename": "asks the file system", "path_symlink": "asks the file system",
	"path_unlink_file": "asks the file system",
	"sock_accept":      "there are no sockets", "sock_recv": "there are no sockets", "sock_send": "there are no sockets", "sock_shutdown": "there are no sockets",
}

// Every function that a plugin can call is in one of the two tables.
func TestEveryHostFunctionIsKnown(t *testing.T) {
	known := func(name string) bool { return blocking[name] != nil || immediate[name] != "" }
	for _, f := range abi.Imports {
		if !known(f.Name) {
			t.Errorf("nobody says whether %s blocks", f.Name)
		}
	}
	for name := range newRuntime(t, Options{}).wasi {
		if !known(name) {
			t.Errorf("nobody says whether WASI's %s blocks", name)
		}
	}
}

// blockingHost blocks in everything that can, until ctx ends: a real one knows by itself when its request is over.
type blockingHost struct {
	fakeHost
	ctx context.Context
}

func (h *blockingHost) Log(pb.LogLevel, string) error {
	<-h.ctx.Done()
	return fmt.Errorf("log: %w", abi.Canceled)
}

func (h *blockingHost) CacheRestore(string) (bool, error) {
	<-h.ctx.Done()
	return false, fmt.Errorf("restore: %w", abi.Canceled)
}

// The end of the request ends whatever its plugin waits in, and what the plugin waited for costs it no processor time.
func TestBlockedCallsEndWithTheRequest(t *testing.T) {
	for name, call := range blocking {
		if name == abi.FuncCacheSave {
			continue // as cache_restore
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := wasmtest.NewPlugin()
			module := p.Handled(p.Host(abi.FuncExecStart, 0, 0), wasmtest.Drop, call(p))
			process := &fakeProcess{block: true}
			host := &blockingHost{fakeHost: fakeHost{process: process}}
			i := newInstance(t, newRuntime(t, Options{}), module, host)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			process.closed, host.ctx = ctx.Done(), ctx
			began := time.Now()
			_, err := i.Handle(ctx, []byte("x"))
			var f *Failure
			if !errors.As(err, &f) || f.Kind != Deadline {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
			if i.meter.used > 400*time.Millisecond {
				t.Errorf("it cost %v", i.meter.used)
			}
		})
	}
}

// A guest sleeps by several clocks, and until a time as well as for one.
func TestSleepsEndWithTheRequest(t *testing.T) {
	for clock, flags := range map[uint32]uint16{0: 0, 1: 0, 2: 0, 3: 1} {
		t.Run(fmt.Sprint(clock, flags), func(t *testing.T) {
			t.Parallel()
			subscription := make([]byte, 48)
			binary.LittleEndian.PutUint32(subscription[16:], clock%2)
			binary.LittleEndian.PutUint64(subscription[24:], 1<<62)
			binary.LittleEndian.PutUint16(subscription[40:], flags)
			p := wasmtest.NewPlugin()
			p.Data(2048, subscription)
			// One sleep, or many without end.
			module := p.Handled(wasmtest.Loop(p.Host("poll_oneoff", 2048, 3072, 1, 4096), wasmtest.Drop, wasmtest.Br(0)), wasmtest.I32Const(0))
			i := newInstance(t, newRuntime(t, Options{}), module, &fakeHost{})
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := i.Handle(ctx, []byte("x")); err == nil || !strings.Contains(err.Error(), "deadline") {
				t.Errorf("got %v", err)
			}
		})
	}
}
