package instrument_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/provisor/provisor/host/internal/instrument"
)

// TestGoGuest runs what Go programs do, as it is and instrumented.
func TestGoGuest(t *testing.T) {
	skipWithRaceDetector(t)
	plain := guest(t)
	var mods [2]api.Module
	hosts := [2]*host{newHost(t, wazero.NewRuntimeConfig()), newHost(t, wazero.NewRuntimeConfig())}
	mods[0], mods[1] = hosts[0].start(plain), hosts[1].start(instrumented(t, plain))
	data := plan(200 << 10)
	for _, mod := range mods {
		feed(t, mod, data)
	}
	if a, b := call(t, mods[0], "decode"), call(t, mods[1], "decode"); a != b || int64(a) < 0 {
		t.Errorf("decode: plain %d, instrumented %d", a, b)
	}
	for job := uint64(0); ; job++ {
		a, b := call(t, mods[0], "work", job, 50_000), call(t, mods[1], "work", job, 50_000)
		if a != b {
			t.Errorf("job %d: plain %d, instrumented %d", job, a, b)
		}
		if int64(a) == -1 {
			break
		}
	}
	if hosts[0].yields != 0 || hosts[1].yields < 100 {
		t.Errorf("plain yielded %d times, instrumented %d times", hosts[0].yields, hosts[1].yields)
	}
}

// TestCGuest runs a C program, built by Debian's clang with its wasi-libc.
func TestCGuest(t *testing.T) {
	skipWithRaceDetector(t)
	clang, err := exec.LookPath("clang")
	if err != nil {
		t.Skip("there is no clang: install clang, lld and wasi-libc")
	}
	for _, flags := range []string{"-O0", "-O2", "-O2 -msimd128 -mbulk-memory -mnontrapping-fptoint -msign-ext -mmultivalue -mreference-types"} {
		t.Run(flags, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "guest.wasm")
			args := append([]string{"--target=wasm32-wasi", "-g", "-o", out, filepath.Join("testdata", "guest.c")}, strings.Fields(flags)...)
			if text, err := exec.Command(clang, args...).CombinedOutput(); err != nil {
				t.Skipf("clang does not build for WASI here (lld and wasi-libc may be missing): %v\n%s", err, text)
			}
			module, err := os.ReadFile(out)
			must(t, err)
			want := runCommand(t, module)
			if got := runCommand(t, instrumented(t, module)); got != want || !strings.Contains(want, "exit 0") {
				t.Errorf("instrumented:\n%s\nplain:\n%s", got, want)
			}
		})
	}
}

// TestCorpus instruments the programs that wazero's tests bring: of Rust, Zig, TinyGo, AssemblyScript and Emscripten, and what
// fuzzing compilers found. Where they are commands they are run as well.
func TestCorpus(t *testing.T) {
	skipWithRaceDetector(t)
	dir := wazeroDir(t)
	modules, commands := 0, 0
	must(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || filepath.Ext(path) != ".wasm" || strings.Contains(path, "spectest") {
			return err
		}
		module, err := os.ReadFile(path)
		must(t, err)
		name, _ := filepath.Rel(dir, path)
		if !accepts(t, module) {
			return nil // of another proposal
		}
		modules++
		changed, err := instrument.Instrument(module, instrument.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return nil
		}
		if !accepts(t, changed) {
			t.Errorf("%s: wazero takes it, but not instrumented", name)
			return nil
		}
		if strings.Contains(path, "infinite_loop") || !bytes.Contains(module, []byte("_start")) {
			return nil
		}
		commands++
		if got, want := runCommand(t, changed), runCommand(t, module); got != want {
			t.Errorf("%s: instrumented:\n%s\nplain:\n%s", name, got, want)
		}
		return nil
	}))
	t.Logf("%d modules, %d commands", modules, commands)
	if modules < 30 || commands < 5 {
		t.Skip("wazero comes without its tests' modules")
	}
}

// accepts tells whether wazero takes a module.
func accepts(t testing.TB, module []byte) bool {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	defer r.Close(ctx)
	_, err := r.CompileModule(ctx, module)
	return err == nil
}

// runCommand is all that a WASI command did.
func runCommand(t *testing.T, module []byte) string {
	t.Helper()
	h := newHost(t, wazero.NewRuntimeConfig())
	compiled, err := h.runtime.CompileModule(h.ctx, module)
	must(t, err)
	var out bytes.Buffer
	files := fstest.MapFS{"test.txt": {Data: []byte("greet filesystem\n")}}
	mod, err := h.runtime.InstantiateModule(h.ctx, compiled, wazero.NewModuleConfig().WithName("").WithStdout(&out).WithStderr(&out).
		WithArgs("guest", "/test.txt").WithEnv("A", "b").WithStdin(strings.NewReader("input")).WithFS(files))
	end := "exit 0"
	if exit, ok := err.(*sys.ExitError); ok {
		end = fmt.Sprintf("exit %d", exit.ExitCode())
	} else if err != nil {
		end = trap(err)
	}
	if mod != nil && mod.ExportedMemory("memory") != nil {
		all, _ := mod.Memory().Read(0, mod.Memory().Size())
		end += fmt.Sprintf(", %d bytes of memory, %x", len(all), sha256.Sum256(all))
	}
	return out.String() + end
}
