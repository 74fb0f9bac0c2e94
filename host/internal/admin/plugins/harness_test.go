package plugins_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/admin/plugins"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/registry"
	_ "github.com/provisor/provisor/host/internal/sandbox/compiler/compilertest"
	"github.com/provisor/provisor/host/internal/server"
	"github.com/provisor/provisor/host/internal/wasmtest"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(daemonVariable); dir != "" {
		fmt.Fprintln(os.Stderr, beDaemon(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// daemon is a real one in this process: a runtime with installed plugins, sessions over gRPC for two tenants, and the admin socket.
type daemon struct {
	t       testing.TB
	options host.Options
	dir     string
	log     *daemontest.Log
	// plugins asks the admin socket; clients open sessions, by tenant.
	plugins plugins.Client
	clients map[string]*client.Client
	stop    func()
}

// tenants are those that may open sessions.
var tenants = []string{"default", "pinned"}

// start starts a daemon with that plugin.
func start(t testing.TB, base []byte, change ...func(*host.Options)) *daemon {
	t.Helper()
	dir := daemontest.SocketDir(t)
	d := &daemon{t: t, dir: dir, log: new(daemontest.Log)}
	file := filepath.Join(dir, "base.wasm")
	if err := os.WriteFile(file, base, 0o600); err != nil {
		t.Fatal(err)
	}
	d.options = host.Options{
		Plugin: file, DataDir: filepath.Join(dir, "data"), Plugins: host.PluginsDir(filepath.Join(dir, "data")),
		Log: d.log.Logger(),
	}
	for _, f := range change {
		f(&d.options)
	}
	d.run()
	return d
}

// run runs the daemon until stop is called, at the test's end at the latest.
func (d *daemon) run() {
	t := d.t
	t.Helper()
	runtime, err := host.New(t.Context(), d.options)
	if err != nil {
		t.Fatal(err)
	}
	var listeners []server.Listener
	for _, name := range tenants {
		tn, err := host.ParseTenant(name)
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, server.Listener{Address: "unix:" + filepath.Join(d.dir, name), Anonymous: tn})
	}
	s, err := server.Listen(server.Options{Listeners: listeners, Log: d.options.Log}, runtime.Session)
	if err != nil {
		t.Fatal(err)
	}
	a, err := admin.Listen(filepath.Join(d.dir, "admin"), d.options.Log)
	if err != nil {
		t.Fatal(err)
	}
	plugins.Handle(a, runtime.Plugins())
	sessions, operators := daemontest.Serve(t, s.Serve), daemontest.Serve(t, a.Serve)
	c, err := admin.Dial(a.Socket())
	if err != nil {
		t.Fatal(err)
	}
	d.plugins, d.clients = plugins.Client{Client: c}, make(map[string]*client.Client)
	for i, name := range tenants {
		if d.clients[name], err = client.Dial(listeners[i].Address, client.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	d.stop = sync.OnceFunc(func() {
		for _, c := range d.clients {
			c.Close()
		}
		c.Close()
		sessions.Drain()
		operators.Stop()
		sessions.Stop()
		d.check("close the runtime", runtime.Close())
	})
	t.Cleanup(d.stop)
}

func (d *daemon) check(what string, err error) {
	if err != nil {
		d.t.Errorf("%s: %v", what, err)
	}
}

func (d *daemon) restart() {
	d.t.Helper()
	d.stop()
	d.run()
}

func (d *daemon) install(module []byte, change ...func(*registry.Installation)) error {
	var i registry.Installation
	for _, f := range change {
		f(&i)
	}
	_, err := d.plugins.Install(d.t.Context(), bytes.NewReader(module), int64(len(module)), i)
	return err
}

func (d *daemon) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func used(i *registry.Installation) { i.Use = true }

func (d *daemon) use(s, tenant string, canary int) error {
	ref, err := plugin.ParseRef(s)
	if err != nil {
		return err
	}
	_, err = d.plugins.Use(d.t.Context(), registry.Choice{Ref: ref, Tenant: tenant, Canary: canary})
	return err
}

// info is what is listed of a plugin.
func (d *daemon) info(name string) registry.Info {
	d.t.Helper()
	list, err := d.plugins.List(d.t.Context())
	d.must(err)
	for _, i := range list.Plugins {
		if i.Name == name {
			return i
		}
	}
	d.t.Fatalf("no plugin %s is listed", name)
	panic("not reached")
}

// version is what is listed of a version.
func (d *daemon) version(name, version string) *registry.VersionInfo {
	d.t.Helper()
	for _, v := range d.info(name).Versions {
		if v.Version == version {
			return &v
		}
	}
	return nil
}

// session is an open session of a tenant, which is configured and initialised.
func (d *daemon) session(ctx context.Context, tenant string, archive []byte) (*client.Session, string, error) {
	s, err := d.clients[tenant].Open(ctx)
	if err != nil {
		return nil, "", err
	}
	if err := s.Configure(&pb.Config{}); err != nil {
		return nil, "", errors.Join(err, s.Close())
	}
	mark, err := ask(ctx, s, &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: archive, OmitModuleFiles: true}}})
	if err != nil {
		return nil, "", errors.Join(err, s.Close())
	}
	return s, mark, nil
}

var (
	plan  = &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}}
	graph = &pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{}}}
	parse = &pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}}
)

// ask asks for something and returns what the plugin has logged, which says its version.
func ask(ctx context.Context, s *client.Session, req *pb.Request) (mark string, err error) {
	answer, err := s.Do(ctx, req, func(l *pb.Log) {
		if text := l.GetOutput(); marks.MatchString(text) { // the host may log that a request waits
			mark += text
		}
	})
	if err == nil && client.ErrorOf(answer) != "" {
		err = answerError(client.ErrorOf(answer))
	}
	return mark, err
}

// marks are what the plugins log.
var marks = regexp.MustCompile(`^(echo-mark:|[a-z]@)`)

// answerError is the error in an answer.
type answerError string

func (e answerError) Error() string { return string(e) }

// whole plays a whole session, and returns the version that it got.
func (d *daemon) whole(tenant string) string {
	d.t.Helper()
	s, mark, err := d.session(d.t.Context(), tenant, daemontest.EchoTemplate(""))
	if err != nil {
		return err.Error()
	}
	defer s.Close()
	for _, req := range []*pb.Request{parse, plan, graph} {
		if again, err := ask(d.t.Context(), s, req); err != nil || again != mark {
			d.t.Errorf("a session of %s got %s first, and %s later: %v", tenant, mark, again, err)
		}
	}
	d.check("end a session", end(s))
	return mark
}

// end ends a session well.
func end(s *client.Session) error {
	if err := s.CloseSend(); err != nil {
		return err
	}
	if resp, err := s.Recv(); err != io.EOF {
		return fmt.Errorf("the stream ended with %v, %w", resp, err)
	}
	return s.Close()
}

// tiny is a small plugin that logs which version it is for every request, and answers it.
func tiny(t testing.TB, ref string, change ...func(*tinyPlugin)) []byte {
	t.Helper()
	r, err := plugin.ParseRef(ref)
	if err != nil {
		t.Fatal(err)
	}
	p := &tinyPlugin{mark: ref, manifest: &guestpb.Manifest{
		Name: r.Name, Version: r.Version, AbiVersion: abi.Version, Requests: []string{"init", "parse", "plan", "apply", "graph"},
	}}
	for _, f := range change {
		f(p)
	}
	return p.module()
}

type tinyPlugin struct {
	manifest *guestpb.Manifest
	// mark is what it logs. fails is the kind of request, by its number, that it traps on; 0 = none. refuses: it answers a plan with "no".
	mark    string
	fails   int32
	refuses bool
	// version of the ABI that it says when it is asked; 0 = the host's. bare: it has no manifest.
	version int32
	bare    bool
}

func (p *tinyPlugin) module() []byte {
	const answerAt, markAt = 1024, 2048
	w := wasmtest.NewPlugin()
	w.Data(markAt, []byte(p.mark))
	// The first byte of a request is the tag of its kind, and that of the Complete that answers it.
	tag := [][]byte{wasmtest.LocalGet(0), wasmtest.I32Load(0), wasmtest.I32Const(0xff), wasmtest.I32And}
	body := append([][]byte{wasmtest.I32Const(answerAt)}, tag...)
	body = append(body, wasmtest.I32Store(0), w.Host(abi.FuncLog, 2, markAt, int32(len(p.mark))), wasmtest.Drop)
	on := func(kind int32, do ...[]byte) {
		body = append(append(body, tag...), wasmtest.I32Const(kind<<3|2), wasmtest.I32Sub, wasmtest.I32Eqz, wasmtest.If(do...))
	}
	if p.fails != 0 {
		on(p.fails, wasmtest.Unreachable)
	}
	if p.refuses {
		const noAt = 3072
		w.Data(noAt, []byte("\x22\x04\x0a\x02no"))
		on(4, w.Host(abi.FuncRespond, noAt, 6), wasmtest.Drop, wasmtest.I32Const(0), wasmtest.Return)
	}
	body = append(body, w.Host(abi.FuncRespond, answerAt, 2), wasmtest.Drop, wasmtest.I32Const(0))
	if p.version == 0 {
		p.version = abi.Version
	}
	w.Define(abi.ExportABIVersion, nil, wasmtest.I32Const(p.version))
	w.Define(abi.ExportAlloc, nil, wasmtest.I32Const(wasmtest.RequestAt))
	w.Define(abi.ExportHandle, nil, body...)
	w.Memory(wasmtest.AtLeast(1))
	w.ExportMemory(abi.ExportMemory)
	if p.bare {
		return w.Bytes()
	}
	return wasmtest.WithManifest(w.Bytes(), p.manifest)
}

// wantAnswer checks that the daemon has refused something, and with which words.
func wantAnswer(t testing.TB, err error, status int, text string) {
	t.Helper()
	var e *admin.Error
	if !errors.As(err, &e) || e.Status != status || !strings.Contains(e.Text, text) {
		t.Errorf("got %v, want %d and %q", err, status, text)
	}
}

// raw asks the admin socket as no client of ours would.
func (d *daemon) raw(method, path, query, body string) (status int, text string) {
	d.t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(d.dir, "admin"))
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(d.t.Context(), method, "http://provisor"+path+"?"+query, strings.NewReader(body))
	d.must(err)
	resp, err := transport.RoundTrip(req)
	d.must(err)
	defer resp.Body.Close()
	var answer struct{ Error string }
	d.must(json.NewDecoder(resp.Body).Decode(&answer))
	return resp.StatusCode, answer.Error
}
