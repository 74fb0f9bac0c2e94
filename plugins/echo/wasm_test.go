package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// wasmHost is a host for what only happens in WebAssembly. It refuses all but log, respond and canceled.
type wasmHost struct {
	logs      []string
	responses int
	started   int
	// taken is the function that the host takes although it must refuse it.
	taken string
}

type wasmHostKey struct{}

func (h *wasmHost) call(name string, mem api.Memory, a []uint64) int32 {
	if name == h.taken {
		return 0
	}
	read := func(at int) ([]byte, bool) { return mem.Read(uint32(a[at]), uint32(a[at+1])) }
	switch name {
	case abi.FuncCanceled:
		return 0
	case abi.FuncLog:
		b, ok := read(1)
		if !ok || uint32(a[0]) > 4 || !bytes.Equal(b, bytes.ToValidUTF8(b, nil)) {
			return abi.Invalid.Result()
		}
		h.logs = append(h.logs, string(b))
		return 0
	case abi.FuncRespond:
		if _, ok := read(0); !ok {
			return abi.Invalid.Result()
		}
		h.responses++
		return 0
	case abi.FuncExecStart:
		if b, ok := read(0); ok && bytes.Contains(b, []byte("tool")) {
			h.started++
			return 1
		}
	}
	return abi.Denied.Result()
}

// compileEcho builds and compiles the plugin once.
var compileEcho = sync.OnceValues(func() (func(*testing.T, *wasmHost, string) (uint64, error), error) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(1024))
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r); err != nil {
		return nil, err
	}
	b := r.NewHostModuleBuilder(abi.HostModule)
	for _, f := range abi.Imports {
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
			result := ctx.Value(wasmHostKey{}).(*wasmHost).call(f.Name, m.Memory(), stack)
			if stack[0] = api.EncodeI32(result); f.Name == abi.FuncExecRead {
				stack[0] = api.EncodeI64(int64(result))
			}
		}), valueTypes(f.Params), valueTypes(f.Results)).Export(f.Name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return nil, err
	}
	if err := lookAtSources(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "echo-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "echo.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, ".")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.New(string(text))
	}
	module, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	compiled, err := r.CompileModule(ctx, module)
	return func(t *testing.T, h *wasmHost, script string) (uint64, error) {
		return handlePlan(t, r, compiled, h, script)
	}, err
})

// runEcho returns what handlePlan does with the compiled plugin.
func runEcho(t *testing.T) func(*testing.T, *wasmHost, string) (uint64, error) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector is on")
	}
	run, err := compileEcho()
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// lookAtSources opens what the plugin is built from beside this package's native build, so that go test does not take a
// result from its cache when any of it has changed.
func lookAtSources() error {
	for _, pattern := range []string{"*.go", "*.s", "../../sdk-guest/*.go", "../../sdk-guest/internal/hostcall/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, name := range files {
			if _, err := os.ReadFile(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func valueTypes(ts []abi.ValueType) []api.ValueType {
	out := make([]api.ValueType, len(ts))
	for i, t := range ts {
		out[i] = api.ValueType(t)
	}
	return out
}

// handlePlan gives a fresh instance a plan request in a work directory with that script. It returns what provisor_handle
// returns, or how the instance ended.
func handlePlan(t *testing.T, r wazero.Runtime, compiled wazero.CompiledModule, h *wasmHost, script string) (uint64, error) {
	work := t.TempDir()
	if err := os.WriteFile(filepath.Join(work, scriptName), []byte("on plan\n"+script), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := context.WithValue(context.Background(), wasmHostKey{}, h)
	m, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions(abi.ExportInitialize).
		WithRandSource(rand.Reader).WithSysWalltime().WithSysNanotime().WithSysNanosleep().
		WithFSConfig(wazero.NewFSConfig().WithDirMount(work, abi.WorkDir).WithDirMount(t.TempDir(), abi.TmpDir)))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(context.Background())
	b, err := proto.Marshal(&pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}})
	if err != nil {
		t.Fatal(err)
	}
	ptr, err := m.ExportedFunction(abi.ExportAlloc).Call(ctx, uint64(len(b)))
	if err != nil || !m.Memory().Write(uint32(ptr[0]), b) {
		t.Fatalf("provisor_alloc: %v, %v", ptr, err)
	}
	status, err := m.ExportedFunction(abi.ExportHandle).Call(ctx, ptr[0], uint64(len(b)))
	if err != nil {
		return 0, err
	}
	return status[0], nil
}

func TestMisbehaviourInWebAssembly(t *testing.T) {
	run := runEcho(t)
	exit := func(code uint32) func(error) bool {
		return func(err error) bool {
			var e *sys.ExitError
			return errors.As(err, &e) && e.ExitCode() == code
		}
	}
	trapped := func(err error) bool { return err != nil && strings.Contains(err.Error(), "unreachable") }
	for script, c := range map[string]struct {
		ends      func(error) bool
		responses int
	}{
		"trap":             {trapped, 0},
		"respond\ntrap":    {trapped, 1},
		"exit 0":           {exit(0), 0},
		"exit 7":           {exit(7), 0},
		"crash on purpose": {trapped, 0},
		"exhaust":          {trapped, 0},
		"memory 1GiB":      {trapped, 0},
		"panic on purpose": {func(err error) bool { return err == nil }, 1},
		"respond\nrespond": {func(err error) bool { return err == nil }, 2},
		"log info polite":  {func(err error) bool { return err == nil }, 1},
	} {
		t.Run(script, func(t *testing.T) {
			h := new(wasmHost)
			status, err := run(t, h, script)
			if !c.ends(err) || h.responses != c.responses {
				t.Errorf("status %d, %v; %d responses, want %d", status, err, h.responses, c.responses)
			}
		})
	}
}

func TestReturnInWebAssembly(t *testing.T) {
	run := runEcho(t)
	if status, err := run(t, new(wasmHost), "return -5"); err != nil || int32(status) != -5 {
		t.Errorf("status %d, %v", int32(status), err)
	}
}

func TestStart(t *testing.T) {
	run := runEcho(t)
	h := new(wasmHost)
	if status, err := run(t, h, "start tool a b\nlog info started\nstart other\nlog info unreachable"); err != nil || status != 0 || h.started != 1 {
		t.Errorf("status %d, %v; %d started", status, err, h.started)
	}
	if diff := cmp.Diff([]string{"started"}, h.logs); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
}

func TestAbuse(t *testing.T) {
	run := runEcho(t)
	for _, taken := range []string{"", abi.FuncExecClose} {
		h := &wasmHost{taken: taken}
		if status, err := run(t, h, "abuse\nlog info all refused"); err != nil || status != 0 || h.responses != 1 {
			t.Fatalf("status %d, %v; %d responses", status, err, h.responses)
		}
		log := strings.Join(h.logs, "\n")
		for _, f := range abi.Imports {
			if f.Name != abi.FuncCanceled && !strings.Contains(log, f.Name+" ") {
				t.Errorf("%s was not called:\n%s", f.Name, log)
			}
		}
		if refused := strings.HasSuffix(log, "all refused"); refused != (taken == "") || strings.Contains(log, ": taken") == refused {
			t.Errorf("with %q taken:\n%s", taken, log)
		}
	}
}
