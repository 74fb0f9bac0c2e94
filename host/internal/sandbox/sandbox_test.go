package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	experimentalsys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"go.uber.org/goleak"

	"github.com/provisor/provisor/abi"
	_ "github.com/provisor/provisor/host/internal/sandbox/compiler/compilertest"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeHost is a Host that records.
type fakeHost struct {
	info     []byte
	logs     []string
	canceled atomic.Bool
	process  Process
	started  []*guestpb.ExecRequest
	startErr error
	cache    map[string]bool
	saved    []*guestpb.CacheSave
}

func (h *fakeHost) SessionInfo() []byte { return h.info }
func (h *fakeHost) Log(level pb.LogLevel, text string) error {
	h.logs = append(h.logs, level.String()+" "+text)
	return nil
}
func (h *fakeHost) Canceled() bool { return h.canceled.Load() }
func (h *fakeHost) Start(req *guestpb.ExecRequest) (Process, error) {
	if h.startErr != nil {
		return nil, h.startErr
	}
	h.started = append(h.started, req)
	return h.process, nil
}
func (h *fakeHost) CacheRestore(key string) (bool, error) {
	if key == "panic" {
		panic("oh no")
	}
	return h.cache[key], nil
}
func (h *fakeHost) CacheSave(req *guestpb.CacheSave) error {
	h.saved = append(h.saved, req)
	return nil
}

// dirFS is a directory without any jail, for tests that don't try to leave it.
type dirFS struct {
	experimentalsys.FS
	root string
}

func newDirFS(t testing.TB) FS {
	dir := t.TempDir()
	return dirFS{sysfs.DirFS(dir), dir}
}

func (d dirFS) SetMode(name string, mode fs.FileMode) error {
	return os.Chmod(filepath.Join(d.root, name), mode)
}

func (d dirFS) Mode(name string) (fs.FileMode, error) {
	info, err := os.Stat(filepath.Join(d.root, name))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, abi.NotFound
	} else if err != nil {
		return 0, err
	}
	return info.Mode().Perm(), nil
}

func newRuntime(t *testing.T, o Options) *Runtime {
	t.Helper()
	r, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// snapshotOf is the source of a plugin that is copied.
func snapshotOf(wasm []byte) Source { return Source{Wasm: wasm, Name: "test", Snapshot: true} }

func newInstance(t *testing.T, r *Runtime, wasm []byte, h Host) *Instance {
	t.Helper()
	m, err := r.Compile(t.Context(), snapshotOf(wasm))
	if err != nil {
		t.Fatal(err)
	}
	i, err := m.Instantiate(t.Context(), InstanceConfig{Name: "test", Work: newDirFS(t), Tmp: newDirFS(t), Host: h})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return i
}
