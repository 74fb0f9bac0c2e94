package sandbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/sys"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/instrument"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

const (
	// maxSnapshotTime is how long a plugin may take to initialise, if it is to be snapshotted.
	maxSnapshotTime = 10 * time.Second
	// snapshotBytes is the most of a memory that is not zero: a snapshot stays in the host's memory.
	snapshotBytes = 64 << 20
	// snapshotPage is in what a memory is saved.
	snapshotPage = 4 << 10
)

// quiet are the functions of WASI that leave nothing behind which is not in the guest's memory.
var quiet = map[string]bool{
	"args_get": true, "args_sizes_get": true, "environ_get": true, "environ_sizes_get": true,
	"clock_res_get": true, "clock_time_get": true, "random_get": true, "poll_oneoff": true, "sched_yield": true, "proc_exit": true,
	// As long as there are just the directories and the standard streams, these change nothing that is kept.
	"fd_prestat_get": true, "fd_prestat_dir_name": true, "fd_fdstat_get": true, "fd_fdstat_set_flags": true, "fd_filestat_get": true, "fd_write": true,
}

// rehearsal is the instance of which the snapshot is taken. It belongs to no session.
type rehearsal struct {
	// called is a function that it must not call, and did.
	called string
}

// allow ends the guest if it calls what would be missing in a copy of it.
func (r *rehearsal) allow(module, function string) {
	if r == nil || module != abi.HostModule && quiet[function] {
		return
	}
	r.called = module + "." + function
	panic(sys.NewExitError(1))
}

// snapshot initialises an instance, and returns where copies of it begin. The error is why there can be none.
func (m *Module) snapshot(ctx context.Context, name string) (_ *origin, file [][]byte, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, m.runtime.snapshotTime, fmt.Errorf("it takes longer than %v", m.runtime.snapshotTime))
	defer cancel()
	empty := emptyFS{&sysfs.AdaptFS{FS: embed.FS{}}}
	i, err := m.newInstance(InstanceConfig{Name: name, Work: empty, Tmp: empty, Host: noHost{}})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, i.Close(context.WithoutCancel(ctx))) }()
	i.rehearsal = new(rehearsal)
	i.begin(ctx)
	defer i.end()
	err = i.start(ctx, m)
	switch {
	case i.rehearsal.called != "":
		return nil, nil, fmt.Errorf("it calls %s while it initialises", i.rehearsal.called)
	case err != nil:
		return nil, nil, fmt.Errorf("it does not initialise: %w", err)
	case i.memory.refused != 0:
		return nil, nil, fmt.Errorf("it wants more memory than it may have while it initialises")
	}
	if touched := i.module.ExportedGlobal(instrument.Touched); touched == nil || touched.Get() != 0 {
		return nil, nil, errors.New("it changes tables or references, or drops segments, while it initialises")
	}
	return i.save(ctx)
}

// save reads the state of the instance.
func (i *Instance) save(ctx context.Context) (*origin, [][]byte, error) {
	o := &origin{snapshot: true, clock: i.nanotime()}
	for _, g := range i.origin.globals {
		if err := i.readGlobal(ctx, &g); err != nil {
			return nil, nil, err
		}
		o.globals = append(o.globals, g)
	}
	memory := i.memory.reserved[:i.module.Memory().Size()]
	pieces, sum := dense(memory)
	if sum > snapshotBytes {
		return nil, nil, fmt.Errorf("its memory holds %s once it is initialised, more than %s", size(sum), size(snapshotBytes))
	}
	for n := range pieces {
		pieces[n].bytes = bytes.Clone(pieces[n].bytes) // the instance's memory goes away
	}
	file, err := o.encode(uint64(len(memory)), pieces)
	if err != nil {
		return nil, nil, err
	}
	o.memory = newImage(uint64(len(memory)), pieces)
	return o, file, nil
}

// dense are the parts of a memory that are not zero, and how many bytes they are.
func dense(memory []byte) (pieces []piece, sum uint64) {
	var zero [snapshotPage]byte
	for at := 0; at < len(memory); at += snapshotPage {
		page := memory[at : at+snapshotPage]
		if bytes.Equal(page, zero[:]) {
			continue
		}
		sum += snapshotPage
		if last := len(pieces) - 1; last >= 0 && pieces[last].end() == uint64(at) {
			first := pieces[last].offset
			pieces[last].bytes = memory[first : at+snapshotPage]
			continue
		}
		pieces = append(pieces, piece{uint64(at), page})
	}
	return pieces, sum
}

// resume gives a new instance the state of the snapshot that it began as, and tells it.
func (i *Instance) resume(ctx context.Context, m *Module) error {
	memory := i.module.Memory()
	if more := i.origin.memory.size/wasmPage - uint64(memory.Size())/wasmPage; more > 0 {
		if _, ok := memory.Grow(uint32(more)); !ok {
			return fmt.Errorf("the memory of the snapshot, %s, can't be had", size(i.origin.memory.size))
		}
	}
	for _, g := range i.origin.globals {
		if err := i.writeGlobal(ctx, g); err != nil {
			return err
		}
	}
	if !m.wantsSeed {
		return nil
	}
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // never fails
	ptr, err := i.deliver(ctx, seed[:])
	if err == nil {
		_, err = i.call(ctx, abi.ExportForked, uint64(ptr))
	}
	return err
}

func (i *Instance) readGlobal(ctx context.Context, g *global) error {
	if !g.Wide {
		exported := i.module.ExportedGlobal(g.Name)
		if exported == nil {
			return fmt.Errorf("the global %s is missing", g.Name)
		}
		g.Low = exported.Get()
		return nil
	}
	f := i.module.ExportedFunction(g.Name + instrument.GetSuffix)
	if f == nil {
		return nil // nothing of the module's can change it
	}
	halves, err := f.Call(i.guestContext(ctx))
	if err != nil {
		return err
	}
	g.Low, g.High = halves[0], halves[1]
	return nil
}

func (i *Instance) writeGlobal(ctx context.Context, g global) error {
	if !g.Wide {
		exported, ok := i.module.ExportedGlobal(g.Name).(api.MutableGlobal)
		if !ok {
			return fmt.Errorf("the global %s is missing", g.Name)
		}
		exported.Set(g.Low)
		return nil
	}
	if f := i.module.ExportedFunction(g.Name + instrument.SetSuffix); f != nil {
		_, err := f.Call(i.guestContext(ctx), g.Low, g.High)
		return err
	}
	return nil
}

// emptyFS is a directory with nothing in it, for an instance that belongs to no session.
type emptyFS struct{ *sysfs.AdaptFS }

func (emptyFS) SetMode(string, fs.FileMode) error { return abi.NotFound }
func (emptyFS) Mode(string) (fs.FileMode, error)  { return 0, abi.NotFound }

// noHost is never called: a rehearsal ends before.
type noHost struct{}

func (noHost) SessionInfo() []byte                         { return nil }
func (noHost) Log(pb.LogLevel, string) error               { return abi.WrongState }
func (noHost) Canceled() bool                              { return false }
func (noHost) Start(*guestpb.ExecRequest) (Process, error) { return nil, abi.WrongState }
func (noHost) CacheRestore(string) (bool, error)           { return false, abi.WrongState }
func (noHost) CacheSave(*guestpb.CacheSave) error          { return abi.WrongState }
