package plugin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/sandbox"
	_ "github.com/provisor/provisor/host/internal/sandbox/compiler/compilertest"
	"github.com/provisor/provisor/host/internal/wasmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newRuntime(t *testing.T, limits sandbox.Limits) *sandbox.Runtime {
	t.Helper()
	rt, err := sandbox.New(t.Context(), sandbox.Options{Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(context.Background()) })
	return rt
}

func writeFile(t *testing.T, path string, b []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pluginModule is a module that can be compiled, with the manifest if that is not nil.
func pluginModule(t *testing.T, manifest []byte) []byte {
	t.Helper()
	p := wasmtest.NewPlugin()
	module := p.Handled(p.Respond("x"))
	if manifest == nil {
		return module
	}
	module, err := abi.WithCustomSection(module, abi.ManifestSection, manifest)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func TestLoad(t *testing.T) {
	manifest, err := proto.Marshal(valid())
	if err != nil {
		t.Fatal(err)
	}
	module := pluginModule(t, manifest)
	got, err := Load(t.Context(), newRuntime(t, sandbox.Limits{}), writeFile(t, filepath.Join(t.TempDir(), "a.wasm"), module))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(module)
	if got.Name != valid().Name || got.Version != valid().Version || got.Digest != hex.EncodeToString(digest[:]) || got.Module == nil {
		t.Errorf("got %+v", got)
	}
}

func TestLoadWithoutManifest(t *testing.T) {
	rt := newRuntime(t, sandbox.Limits{})
	for file, name := range map[string]string{
		"plugin.wasm": "plugin", "My_Plugin v2.wasm": "my-plugin-v2", "..wasm": "plugin", "-x-.wasm": "x", strings.Repeat("a", 80): strings.Repeat("a", 63),
	} {
		got, err := Load(t.Context(), rt, writeFile(t, filepath.Join(t.TempDir(), file), pluginModule(t, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != name || got.Version != "" || len(got.Manifest.GetPrograms()) > 0 || got.Manifest.GetSnapshot() {
			t.Errorf("%s: got %v", file, got)
		}
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	other := valid()
	other.AbiVersion = 2 << 16
	otherABI, err := proto.Marshal(other)
	if err != nil {
		t.Fatal(err)
	}
	large := pluginModule(t, nil)
	tests := map[string]struct {
		path string
		want string
	}{
		"no file":       {filepath.Join(dir, "absent.wasm"), "no such file or directory"},
		"a directory":   {dir, "it is not a regular file"},
		"not wasm":      {writeFile(t, filepath.Join(dir, "elf"), []byte("\x7fELF")), "not a WebAssembly binary module"},
		"empty":         {writeFile(t, filepath.Join(dir, "empty"), nil), "not a WebAssembly binary module"},
		"too large":     {writeFile(t, filepath.Join(dir, "large"), append(large, make([]byte, 3000)...)), "larger than 3000 bytes"},
		"an export":     {writeFile(t, filepath.Join(dir, "bare"), wasmtest.Header()), "it lacks the export provisor_handle (i32, i32) -> (i32)"},
		"another ABI":   {writeFile(t, filepath.Join(dir, "abi2"), pluginModule(t, otherABI)), "abi_version: it speaks version 2.0 of the ABI, this host speaks 1.0"},
		"its manifest":  {writeFile(t, filepath.Join(dir, "manifest"), pluginModule(t, []byte{0xff})), "its manifest (custom section provisor.manifest)"},
		"endless bytes": {"/dev/zero", "it is not a regular file"},
	}
	rt := newRuntime(t, sandbox.Limits{ModuleBytes: 3000})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(t.Context(), rt, test.path)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "load the plugin "+test.path+": ") {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestNameOfFileIsAlwaysValid(t *testing.T) {
	for _, path := range []string{"", "/", ".", "a/b.wasm", "ÄÖ.wasm", "a" + strings.Repeat("-", 90) + "b", "\x00"} {
		if name := nameOfFile(path); !validName(name) {
			t.Errorf("%q gives %q", path, name)
		}
	}
	if diff := cmp.Diff("b", nameOfFile("a/b.wasm")); diff != "" {
		t.Error(diff)
	}
}
