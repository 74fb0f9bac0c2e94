package attack

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/server"
	wt "github.com/provisor/provisor/host/internal/wasmtest"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// module is a plugin, assembled, that makes calls and answers an init with what came of them.
type module struct {
	*wt.Plugin
	body  []byte
	calls []string
	next  int32
	wasi  map[string]uint32
}

// Where a module keeps what.
const (
	resultsAt  = 4 << 10  // 8 bytes for each call
	outAt      = 6 << 10  // what calls write
	dataAt     = 10 << 10 // what they read
	reported   = 5 << 10  // bytes from resultsAt on that are the answer
	firstInOut = outAt - resultsAt
)

// newModule has a manifest that asks for the engine, and for every variable that there is.
func newModule() *module {
	m := bareModule()
	m.manifest(greedy())
	return m
}

func bareModule() *module {
	return &module{Plugin: wt.NewPlugin(), next: dataAt, wasi: map[string]uint32{}}
}

func greedy() *guestpb.Manifest {
	manifest := &guestpb.Manifest{Name: "attacker", Version: "1.0.0", AbiVersion: abi.Version, Requests: []string{"init"}, Programs: []string{"terraform"}, Snapshot: true}
	for _, first := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_" {
		manifest.Env = append(manifest.Env, string(first)+"*")
	}
	return manifest
}

func (m *module) manifest(manifest *guestpb.Manifest) {
	m.Custom(abi.ManifestSection, marshal(manifest))
}

// put places bytes in the memory.
func (m *module) put(b string) (ptr, size int32) {
	m.Data(m.next, []byte(b))
	ptr = m.next
	m.next += int32(len(b)+7) &^ 7
	if m.next > wt.RequestAt {
		panic("attack: too much data for a module")
	}
	return ptr, int32(len(b))
}

// keep stores what is on the stack, an i64, as the result of the call.
func (m *module) keep(name string, value []byte) {
	m.body = append(m.body, wt.I32Const(int32(resultsAt+8*len(m.calls)))...)
	m.body = append(append(m.body, value...), wt.I64Store(0)...)
	m.calls = append(m.calls, name)
	if 8*len(m.calls) > firstInOut {
		panic("attack: too many calls for a module")
	}
}

var extend = []byte{0xac} // i64.extend_i32_s

// call calls a function of the host with constants.
func (m *module) call(name string, args ...int32) {
	call := m.Host(name, args...)
	if name != abi.FuncExecRead {
		call = append(call, extend...)
	}
	m.keep(name, call)
}

// with calls a function of the host with bytes as its first two arguments, or behind the first ones where lead says so.
func (m *module) with(name, text string, more ...int32) {
	ptr, size := m.put(text)
	m.call(name, append([]int32{ptr, size}, more...)...)
}

// start starts a program.
func (m *module) start(req *guestpb.ExecRequest) {
	m.with(abi.FuncExecStart, string(marshal(req)))
}

// marshal is for messages that are known to be good.
func marshal(msg proto.Message) []byte {
	b, err := proto.Marshal(msg)
	if err != nil {
		panic(err)
	}
	return b
}

// longAt is where a long request is made, in memory that the module grows by.
const longAt = 2 * page

// startLong starts a program by a request that is too long for the module's data: x over and over, between what comes before and after.
func (m *module) startLong(req *guestpb.ExecRequest) {
	whole := marshal(req)
	from := bytes.Index(whole, bytes.Repeat([]byte("x"), 1000))
	to := bytes.LastIndexByte(whole, 'x') + 1
	before, n := m.put(string(whole[:from]))
	after, k := m.put(string(whole[to:]))
	copyTo := []byte{0xfc, 0x0a, 0, 0}
	m.body = slices.Concat(m.body, wt.I32Const(8), wt.MemoryGrow, wt.Drop,
		wt.I32Const(longAt), wt.I32Const(before), wt.I32Const(n), copyTo,
		wt.I32Const(longAt+n), wt.I32Const('x'), wt.I32Const(int32(to-from)), wt.MemoryFill,
		wt.I32Const(longAt+int32(to)), wt.I32Const(after), wt.I32Const(k), copyTo)
	m.call(abi.FuncExecStart, longAt, int32(len(whole)))
}

// wasiCall calls a function of WASI with constants, as wide as its parameters are.
func (m *module) wasiCall(name string, args ...int64) {
	f := wasiFunctions()[name]
	call := []byte{}
	for i, t := range f.ParamTypes() {
		if t == api.ValueTypeI64 {
			call = append(call, wt.I64Const(args[i])...)
		} else {
			call = append(call, wt.I32Const(int32(args[i]))...)
		}
	}
	m.keep(name, append(append(call, wt.Call(m.wasiIndex(name))...), extend...))
}

// wasiIndex imports the function where it is not yet.
func (m *module) wasiIndex(name string) uint32 {
	i, ok := m.wasi[name]
	if !ok {
		f := wasiFunctions()[name]
		i = m.ImportFunc(wasi_snapshot_preview1.ModuleName, name, typesOf(f.ParamTypes()), typesOf(f.ResultTypes()))
		m.wasi[name] = i
	}
	return i
}

func typesOf(ts []api.ValueType) []wt.Type {
	var out []wt.Type
	for _, t := range ts {
		out = append(out, wt.Type(t))
	}
	return out
}

// wasiFunctions are those that wazero has, by name.
var wasiFunctions = sync.OnceValue(func() map[string]api.FunctionDefinition {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	compiled, err := wasi_snapshot_preview1.NewBuilder(r).Compile(ctx)
	if err != nil {
		panic(err)
	}
	return compiled.ExportedFunctions()
})

// report is the module whose answer to an init is what came of its calls: the results, and what is in the memory behind them.
func (m *module) report() []byte {
	answer := marshal(&pb.Response{Type: &pb.Response_Init{Init: &pb.InitComplete{ModuleFiles: make([]byte, reported)}}})
	head := answer[:len(answer)-reported]
	m.Data(int32(resultsAt-len(head)), head)
	return m.Handled(m.body, m.Host(abi.FuncRespond, int32(resultsAt-len(head)), int32(len(answer))))
}

// outcome is what an init came to.
type outcome struct {
	// text is the Complete's error.
	text    string
	results []int64
	memory  []byte
	logs    []string
	took    time.Duration
}

// out is what calls have written at outAt.
func (o outcome) out() []byte { return o.memory[firstInOut:] }

// load starts a daemon with the module for a plugin.
func load(t testing.TB, o host.Options, so server.Options, wasm []byte) (*daemon, error) {
	t.Helper()
	o.Plugin = write(t, wasm)
	// What attackers compile to is not to be kept.
	o.CacheDir = t.TempDir()
	return newDaemon(t, o, so)
}

// write puts a module into a file.
func write(t testing.TB, wasm []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "attacker.wasm")
	if err := os.WriteFile(file, wasm, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// init has the daemon's plugin answer an init in a session of its own.
func (d *daemon) init(t *testing.T, req *pb.Request) (o outcome) {
	t.Helper()
	ctx := inTime(t)
	s, err := d.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	began := time.Now()
	resp, err := s.Do(ctx, req, func(l *pb.Log) { o.logs = append(o.logs, l.Output) })
	if err != nil {
		t.Fatalf("init: %v", err)
	}
	o.read(resp)
	o.took = time.Since(began)
	return o
}

// read takes in an init's answer.
func (o *outcome) read(resp *pb.Response) {
	o.text = client.ErrorOf(resp)
	o.memory = resp.GetInit().GetModuleFiles()
	for b := o.memory; len(b) >= 8 && len(o.memory)-len(b) < firstInOut; b = b[8:] {
		o.results = append(o.results, int64(binary.LittleEndian.Uint64(b)))
	}
}

// runs is an attack by an assembled plugin, in a runtime of its own in the same process: the Complete of an init says want, or has no
// error. check, if not nil, looks at what came of it.
func runs(o host.Options, build func() []byte, want string, check func(*testing.T, outcome)) func(*testing.T, *arena) {
	return func(t *testing.T, a *arena) {
		d, err := load(t, o, server.Options{}, build())
		if err != nil {
			t.Fatalf("load the plugin: %v", err)
		}
		got := d.init(t, initOf(nil))
		if (want == "") != (got.text == "") || !strings.Contains(got.text, want) {
			t.Errorf("the Complete says %q, want %q", got.text, want)
		}
		if limit := o.RequestTimeout; limit > 0 && got.took > limit+late {
			t.Errorf("it took %s, and may take %s", got.took, limit)
		}
		if log := d.log.String(); strings.Contains(log, "panic") {
			t.Errorf("the host panicked:\n%s", log)
		}
		if check != nil && !t.Failed() {
			check(t, got)
		}
		a.clean(t, d)
		d.stop()
	}
}

// refused is an attack by a module that is not even loaded.
func refused(build func() []byte, want string) func(*testing.T, *arena) {
	return refusedIn(host.Options{}, build, want)
}

func refusedIn(o host.Options, build func() []byte, want string) func(*testing.T, *arena) {
	return func(t *testing.T, _ *arena) {
		d, err := load(t, o, server.Options{}, build())
		if err == nil {
			d.stop()
			t.Fatal("the module was loaded")
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the module is refused with %v, want %q", err, want)
		}
	}
}

// all is a check that each call returned that errno.
func (m *module) all(e abi.Errno) func(*testing.T, outcome) {
	return func(t *testing.T, o outcome) {
		for i, name := range m.calls {
			if o.results[i] != int64(e.Result()) {
				t.Errorf("call %d, %s, returned %d, want %d (%v)", i, name, o.results[i], e.Result(), e)
			}
		}
	}
}

// without is a check that nothing of the secret is in what came of it.
func without(t *testing.T, o outcome, secret string) {
	t.Helper()
	if bytes.Contains(o.memory, []byte(secret)) || strings.Contains(strings.Join(o.logs, "\n"), secret) {
		t.Error("it got the secret")
	}
}
