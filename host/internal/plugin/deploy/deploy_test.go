package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/daemontest"
	_ "github.com/provisor/provisor/host/internal/sandbox/compiler/compilertest"
	"github.com/provisor/provisor/host/internal/wasmtest"
	"github.com/provisor/provisor/proto/guestpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tiny is a plugin that answers each request, with other bytes for another text.
func tiny(name, version, text string) []byte {
	p := wasmtest.NewPlugin()
	p.Data(4096, []byte(text))
	module := p.Handled(wasmtest.I32Const(1024), wasmtest.LocalGet(0), wasmtest.I32Load(0), wasmtest.I32Const(0xff), wasmtest.I32And, wasmtest.I32Store(0),
		p.Host(abi.FuncRespond, 1024, 2), wasmtest.Drop, wasmtest.I32Const(0))
	return wasmtest.WithManifest(module, &guestpb.Manifest{Name: name, Version: version, AbiVersion: abi.Version, Requests: []string{"init"}})
}

// house is a runtime that watches a directory.
type house struct {
	*host.Runtime
	t       *testing.T
	options host.Options
	dir     string
	log     *daemontest.Log
}

func start(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), log: new(daemontest.Log)}
	base := filepath.Join(t.TempDir(), "base.wasm")
	if err := os.WriteFile(base, tiny("a", "1.0.0", "base"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	h.options = host.Options{
		Plugin: base, DataDir: data, Plugins: host.PluginsDir(data), Deploy: h.dir, Log: h.log.Logger(),
	}
	h.open()
	t.Cleanup(func() { h.Close() })
	return h
}

func (h *house) open() {
	h.t.Helper()
	var err error
	if h.Runtime, err = host.New(h.t.Context(), h.options); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) put(name string, content []byte) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), content, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// active is the version of plugin a that new sessions get.
func (h *house) active() string {
	for _, v := range h.Plugins().List()[0].Versions {
		if v.Active {
			return v.Version
		}
	}
	return ""
}

// logged counts how often the text is in the log.
func (h *house) logged(text string) int { return strings.Count(h.log.String(), text) }

func (h *house) becomes(version string) {
	h.t.Helper()
	if !daemontest.Soon(func() bool { return h.active() == version }) {
		h.t.Errorf("%s is in use, want %s", h.active(), version)
	}
}

func TestDeploy(t *testing.T) {
	h := start(t)
	h.put("a.wasm", tiny("a", "1.1.0", ""))
	h.becomes("1.1.0")
	// In place of the old one, by a rename.
	h.put("a.part", tiny("a", "1.2.0", ""))
	if err := os.Rename(filepath.Join(h.dir, "a.part"), filepath.Join(h.dir, "a.wasm")); err != nil {
		t.Fatal(err)
	}
	h.becomes("1.2.0")
	// What the operator chooses since is not undone by a restart.
	if _, err := h.Plugins().Rollback(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h.open()
	if got := h.active(); got != "1.1.0" {
		t.Errorf("after a restart %s is in use", got)
	}
	// What was put there while the daemon was down is used from its start on.
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h.put("a.wasm", tiny("a", "1.3.0", ""))
	h.open()
	h.becomes("1.3.0")
}

// TestHalfWritten: a file that is still being written is waited for, however long that takes.
func TestHalfWritten(t *testing.T) {
	h := start(t)
	module := tiny("a", "1.1.0", strings.Repeat("x", 20_000))
	f, err := os.Create(filepath.Join(h.dir, "a.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for piece := range 3 {
		from, to := piece*len(module)/4, (piece+1)*len(module)/4
		if _, err := f.Write(module[from:to]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(600 * time.Millisecond)
		if h.active() != "1.0.0" || h.logged("was not installed") > 0 {
			t.Fatalf("after piece %d %s is in use, and refused were %d", piece, h.active(), h.logged("was not installed"))
		}
	}
	if _, err := f.Write(module[3*len(module)/4:]); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	h.becomes("1.1.0")
}

// TestBadFile is refused once, not in a loop; another try with the same name is taken.
func TestBadFile(t *testing.T) {
	h := start(t)
	h.put("a.wasm", tiny("a", "1.1.0", ""))
	h.becomes("1.1.0")
	h.put("b.wasm", tiny("a", "1.1.0", "other bytes"))
	h.put("c.wasm", []byte("not a plugin"))
	h.put("d.txt", []byte("none of our business"))
	if !daemontest.Soon(func() bool { return h.logged("was not installed") == 2 }) {
		t.Errorf("%d files were refused", h.logged("was not installed"))
	}
	for _, reason := range []string{"installed already, with other bytes", "not a WebAssembly binary module"} {
		if h.logged(reason) != 1 {
			t.Errorf("%q stands %d times in the log", reason, h.logged(reason))
		}
	}
	time.Sleep(time.Second)
	h.put("e.wasm", tiny("a", "1.2.0", ""))
	h.becomes("1.2.0")
	if n := h.logged("was not installed"); n != 2 {
		t.Errorf("refused was said %d times of two files", n)
	}
	h.put("c.wasm", tiny("a", "1.4.0", ""))
	h.becomes("1.4.0")
}

func TestDirectory(t *testing.T) {
	h := start(t)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(h.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := host.New(t.Context(), h.options); err == nil || !strings.Contains(err.Error(), "may be written by everybody") {
		t.Errorf("everybody's directory: %v", err)
	}
	h.options.Deploy = filepath.Join(h.dir, "nowhere")
	if _, err := host.New(t.Context(), h.options); err == nil {
		t.Error("a directory that is not there was watched")
	}
	h.options.Deploy = ""
	h.open()
}
