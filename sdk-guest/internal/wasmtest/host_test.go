package wasmtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// memoryPages is the memory of an instance, in pages of 64 KiB: 256 MiB.
const memoryPages = 4096

// runtime holds the host's functions, which find their testHost in the context, and keeps what was compiled.
var runtime = sync.OnceValues(func() (wazero.Runtime, error) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(memoryPages))
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r); err != nil {
		return nil, err
	}
	b := r.NewHostModuleBuilder(abi.HostModule)
	for _, f := range abi.Imports {
		b.NewFunctionBuilder().WithGoModuleFunction(function(f.Name), valueTypes(f.Params), valueTypes(f.Results)).Export(f.Name)
	}
	_, err := b.Instantiate(ctx)
	return r, err
})

// build builds a plugin of this directory.
func build(t *testing.T, name string) []byte {
	t.Helper()
	lookAtSources(t)
	out := filepath.Join(t.TempDir(), name+".wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags", "-s -w", "-o", out, "./"+name)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the plugin %s: %v\n%s", name, err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lookAtSources opens what the plugins are built from, so that go test does not take a result from its cache when any of it
// has changed.
func lookAtSources(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{"*/*.go", "../hostcall/*.go", "../../*.go", "../../../abi/*.go", "../../../proto/*/*.go", "../../../go.mod"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no sources in %s: %v", pattern, err)
		}
		for _, name := range files {
			if _, err := os.ReadFile(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

var compiled struct {
	sync.Mutex
	probe wazero.CompiledModule
}

// compile compiles the probe, once.
func compile(t *testing.T) (wazero.Runtime, wazero.CompiledModule) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector is on")
	}
	r, err := runtime()
	if err != nil {
		t.Fatal(err)
	}
	compiled.Lock()
	defer compiled.Unlock()
	if compiled.probe == nil {
		if compiled.probe, err = r.CompileModule(context.Background(), build(t, "probe")); err != nil {
			t.Fatal(err)
		}
	}
	return r, compiled.probe
}

type hostKey struct{}

// testHost is the least that the SDK can run on.
type testHost struct {
	info      *guestpb.SessionInfo
	responses [][]byte
	logs      []string
	stderr    bytes.Buffer
	chmods    map[string]uint32
	lastError string

	// canceled is asked with the number of calls so far.
	canceled      func(calls int) bool
	canceledCalls int

	// output is what exec_read returns, one piece per call; a piece without bytes is a timeout.
	output []piece
	result *guestpb.ExecResult
	// takes is how many bytes each exec_write takes.
	takes   func(call int) int
	writes  int
	input   []byte
	closed  bool
	signals []int32
}

type piece struct {
	stream abi.Stream
	text   string
}

// instance is a plugin that runs on a testHost.
type instance struct {
	t    *testing.T
	host *testHost
	mod  api.Module
	work string
}

func newTestHost() *testHost {
	return &testHost{info: &guestpb.SessionInfo{}, result: &guestpb.ExecResult{}, chmods: map[string]uint32{}, takes: func(int) int { return 1 << 20 }}
}

// start makes an instance of the probe and initialises it.
func start(t *testing.T, h *testHost) *instance {
	t.Helper()
	r, probe := compile(t)
	ctx := context.WithValue(context.Background(), hostKey{}, h)
	work := t.TempDir()
	mod, err := r.InstantiateModule(ctx, probe, wazero.NewModuleConfig().WithName("").
		WithStartFunctions(abi.ExportInitialize).WithStderr(&h.stderr).WithRandSource(rand.Reader).
		WithSysWalltime().WithSysNanotime().WithSysNanosleep().
		WithFSConfig(wazero.NewFSConfig().WithDirMount(work, abi.WorkDir).WithDirMount(t.TempDir(), abi.TmpDir)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mod.Close(ctx) })
	return &instance{t: t, host: h, mod: mod, work: work}
}

func valueTypes(ts []abi.ValueType) []api.ValueType {
	out := make([]api.ValueType, len(ts))
	for i, t := range ts {
		out[i] = api.ValueType(t)
	}
	return out
}

func (i *instance) call(name string, args ...uint64) (uint64, error) {
	r, err := i.mod.ExportedFunction(name).Call(context.WithValue(context.Background(), hostKey{}, i.host), args...)
	if err != nil || len(r) == 0 {
		return 0, err
	}
	return r[0], nil
}

// put allocates a buffer in the plugin and writes b there.
func (i *instance) put(b []byte) uint64 {
	i.t.Helper()
	ptr, err := i.call(abi.ExportAlloc, uint64(len(b)))
	if err != nil || ptr == 0 {
		i.t.Fatalf("provisor_alloc(%d) = %d, %v", len(b), ptr, err)
	}
	if !i.mod.Memory().Write(uint32(ptr), b) {
		i.t.Fatalf("provisor_alloc(%d) = %d, which is out of the memory", len(b), ptr)
	}
	return ptr
}

// plan asks for a probe, with that state in the request.
func (i *instance) plan(probe string, state []byte) *pb.PlanComplete {
	i.t.Helper()
	b, err := proto.Marshal(&pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{
		Metadata: &pb.Metadata{WorkspaceName: probe}, State: state,
	}}})
	if err != nil {
		i.t.Fatal(err)
	}
	i.host.responses = nil
	status, err := i.call(abi.ExportHandle, i.put(b), uint64(len(b)))
	if err != nil || status != 0 {
		i.t.Fatalf("provisor_handle = %d, %v\n%s", status, err, &i.host.stderr)
	}
	if n := len(i.host.responses); n != 1 {
		i.t.Fatalf("%d responses", n)
	}
	resp := new(pb.Response)
	if err := proto.Unmarshal(i.host.responses[0], resp); err != nil {
		i.t.Fatal(err)
	}
	if resp.GetPlan() == nil {
		i.t.Fatalf("the answer to plan is %v", resp)
	}
	return resp.GetPlan()
}
