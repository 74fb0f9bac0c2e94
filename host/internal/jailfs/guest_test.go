package jailfs_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental/sysfs"

	"github.com/provisor/provisor/host/internal/jailfs"
)

// TestGoGuest runs a Go program that uses files in all the ways of package os.
func TestGoGuest(t *testing.T) {
	m := newMounts(t, jailfs.QuotaLimits{Bytes: 64 << 20, Files: 1000, OpenFiles: 64})
	var out bytes.Buffer
	run(t, m, buildGuest(t), wazero.NewModuleConfig().WithStdout(&out).WithStderr(&out))
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "ok ") {
			t.Error(strings.TrimSpace(line))
		}
	}
	if n := strings.Count(out.String(), "ok "); n < 13 {
		t.Errorf("the guest made %d checks:\n%s", n, &out)
	}
	left := m.quota.Usage()
	if want := (jailfs.Usage{Bytes: 3, Files: left.Files}); left != want {
		t.Errorf("left in use: %+v, want %+v", left, want)
	}
}

// mounts are /work and /tmp of a guest, and beside them what it must not reach.
type mounts struct {
	outside, work, tmp string
	quota              *jailfs.Quota
	workFS, tmpFS      *jailfs.FS
}

func newMounts(t testing.TB, limits jailfs.QuotaLimits) *mounts {
	t.Helper()
	dir := t.TempDir()
	m := &mounts{outside: dir, work: filepath.Join(dir, "work"), tmp: filepath.Join(dir, "tmp"), quota: jailfs.NewQuota(limits)}
	must(t, os.Mkdir(m.work, 0o700), os.Mkdir(m.tmp, 0o700))
	m.workFS, m.tmpFS = open(t, m.work, m.quota), open(t, m.tmp, m.quota)
	return m
}

// config mounts them as the host does.
func (m *mounts) config() wazero.FSConfig {
	config := wazero.NewFSConfig().(sysfs.FSConfig).WithSysFSMount(m.workFS, "/work")
	return config.(sysfs.FSConfig).WithSysFSMount(m.tmpFS, "/tmp")
}

func open(t testing.TB, dir string, q *jailfs.Quota) *jailfs.FS {
	t.Helper()
	f, err := jailfs.Open(dir, q)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// run instantiates a guest with the mounts.
func run(t testing.TB, m *mounts, wasm []byte, config wazero.ModuleConfig) {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig())
	defer r.Close(ctx)
	builder, err := jailfs.NewWASI(ctx, r)
	must(t, err)
	_, err = builder.Instantiate(ctx)
	must(t, err)
	if _, err := r.InstantiateWithConfig(ctx, wasm, config.WithFSConfig(m.config()).WithEnv("TMPDIR", "/tmp")); err != nil {
		t.Log(err) // the guest exits
	}
}

var guest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "jailfs")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command("go", "build", "-o", out, "./internal/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := cmd.CombinedOutput(); err != nil {
		return text, err
	}
	return os.ReadFile(out)
})

func buildGuest(t testing.TB) []byte {
	t.Helper()
	wasm, err := guest()
	if err != nil {
		t.Fatalf("build the guest: %v\n%s", err, wasm)
	}
	return wasm
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}
