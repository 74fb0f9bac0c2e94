package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/experimental/sysfs"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/instrument"
)

// InstanceConfig is what an instance gets.
type InstanceConfig struct {
	// Name is the plugin's name, for the host's log.
	Name string
	// Work and Tmp are what the instance sees as /work and /tmp. They are its owner's to close, after the instance.
	Work, Tmp FS
	Host      Host
	// Stderr gets what the plugin writes to standard output and error. nil = the log, line by line.
	Stderr io.Writer
	// Limits are the instance's own; a zero field means that of the Runtime. Those of modules have no meaning here.
	Limits Limits
	// Log is where the instance's lines go; nil = the runtime's log.
	Log *slog.Logger
	// Limited is told the setting of each limit that the plugin runs into, by the goroutine that runs it; nil = nobody.
	Limited func(setting string)
}

// Instance is a running copy of a plugin, with a memory of its own. One goroutine at a time may call it.
type Instance struct {
	runtime *Runtime
	log     *slog.Logger
	// origin is what it began as, ahead by how much its monotonic clock differs from the runtime's, in nanoseconds. rehearsal is set while
	// a snapshot is being made of it.
	origin    *origin
	ahead     int64
	rehearsal *rehearsal
	module    api.Module
	memory    *memory
	host      Host
	work      FS
	tmp       FS
	limits    Limits
	output    *output

	// mu is held for each call: the guest has one stack and one memory.
	mu sync.Mutex
	// ctx is the context of the call that goes on, for what WASI calls without one.
	ctx context.Context
	// handling is set while provisor_handle runs: only then is there somebody to respond to.
	handling  bool
	responded bool
	response  []byte
	// lastError is the text behind the last errno.
	lastError string
	meter     meter
	turn      turn
	// gaveWay is when other goroutines were let run the last time, or the guest had waited in a function of the host.
	gaveWay  time.Time
	programs programs
	// spent is why the instance can't be called any more.
	spent error
	// limited is told of limits.
	limited func(setting string)
	// closed is set by the first Close.
	closed bool
}

// Instantiate makes an instance: memory, files and the plugin's own _initialize, unless the module has a snapshot of what that leaves.
// The end of ctx interrupts it; afterwards ctx has no meaning.
func (m *Module) Instantiate(ctx context.Context, c InstanceConfig) (_ *Instance, err error) {
	if c.Work == nil || c.Tmp == nil || c.Host == nil {
		return nil, errors.New("an instance needs its two directories and a host")
	}
	i, err := m.newInstance(c)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.Close(context.WithoutCancel(ctx)))
		}
	}()
	i.begin(ctx)
	defer i.end()
	if err := i.start(ctx, m); err != nil {
		return nil, err
	}
	return i, nil
}

// start brings an instance to where it can handle requests.
func (i *Instance) start(ctx context.Context, m *Module) (err error) {
	if i.module, err = m.instantiate(i.guestContext(ctx), i); err != nil {
		return i.fail(ctx, err)
	}
	if i.origin.snapshot {
		if err := i.resume(ctx, m); err != nil {
			return i.fail(ctx, err)
		}
		return nil
	}
	if i.module.ExportedFunction(abi.ExportInitialize) != nil {
		if _, err := i.call(ctx, abi.ExportInitialize); err != nil {
			return i.fail(ctx, err)
		}
	}
	version, err := i.call(ctx, abi.ExportABIVersion)
	if err != nil {
		return i.fail(ctx, err)
	}
	return CheckVersion(version)
}

func (m *Module) newInstance(c InstanceConfig) (*Instance, error) {
	limits := c.Limits.or(m.runtime.limits)
	memory, err := newMemory(limits.MemoryBytes, m.origin.memory)
	if err != nil {
		return nil, err
	}
	log := c.Log
	if log == nil {
		log = m.runtime.log.With("plugin", c.Name)
	}
	if c.Limited == nil {
		c.Limited = func(string) {}
	}
	ahead := int64(0)
	if m.origin.snapshot {
		ahead = max(0, m.origin.clock-m.runtime.nanotime())
	}
	m.runtime.instances.Add(1)
	return &Instance{
		limited:  c.Limited,
		runtime:  m.runtime,
		log:      log,
		origin:   m.origin,
		ahead:    ahead,
		memory:   memory,
		host:     c.Host,
		work:     c.Work,
		tmp:      c.Tmp,
		limits:   limits,
		output:   newOutput(c.Stderr, log, limits.ConsoleBytes, c.Limited),
		programs: programs{limit: limits.OpenPrograms},
		meter:    meter{limit: limits.CPUTime},
	}, nil
}

// instantiate makes the module's memory, tables and globals; none of the plugin's code runs.
func (m *Module) instantiate(ctx context.Context, i *Instance) (module api.Module, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("make an instance: %v", p)
		}
	}()
	files := wazero.NewFSConfig().(sysfs.FSConfig).WithSysFSMount(i.work, abi.WorkDir).(sysfs.FSConfig).WithSysFSMount(i.tmp, abi.TmpDir)
	return m.runtime.engine.InstantiateModule(experimental.WithMemoryAllocator(ctx, i.memory), m.compiled, wazero.NewModuleConfig().
		// Without a name, any number of instances of one module can exist side by side.
		WithName("").
		// The default is to call _start, which is not a part of the ABI.
		WithStartFunctions(instrument.Prepare).
		WithFSConfig(files).
		WithStdout(i.output).
		WithStderr(i.output).
		WithSysWalltime().
		WithNanotime(i.nanotime, 1).
		WithNanosleep(i.sleep).
		WithOsyield(runtime.Gosched).
		WithRandSource(rand.Reader))
}

// Handle has the plugin handle a serialized Request and returns its serialized Response. The end of ctx interrupts the plugin.
// After an error, which is a *Failure, the instance can only be closed.
func (i *Instance) Handle(ctx context.Context, request []byte) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.spent != nil {
		return nil, &Failure{Kind: Spent, Text: "the instance is of no use any more: " + i.spent.Error()}
	}
	i.begin(ctx)
	defer i.end()
	if err := i.handle(ctx, request); err != nil {
		return nil, i.fail(ctx, err)
	}
	return i.response, nil
}

func (i *Instance) handle(ctx context.Context, request []byte) error {
	ptr, err := i.deliver(ctx, request)
	if err != nil {
		return err
	}
	i.handling = true
	status, err := i.call(ctx, abi.ExportHandle, uint64(ptr), uint64(len(request)))
	i.handling = false
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil && (status != 0 || !i.responded):
		// It ended by itself, but because a call that it waited in was interrupted.
		return interrupted(ctx)
	case status != 0:
		return &Failure{Kind: Status, Text: fmt.Sprintf("%s returned %d", abi.ExportHandle, int32(status))}
	case !i.responded:
		return &Failure{Kind: NoResponse, Text: abi.ExportHandle + " returned without an answer"}
	}
	return nil
}

// deliver writes the request into the guest's memory.
func (i *Instance) deliver(ctx context.Context, request []byte) (ptr uint32, err error) {
	if uint64(len(request)) >= i.memory.limit() {
		return 0, &Failure{Kind: Memory, Setting: settingMemory, Text: fmt.Sprintf("the request has %s, an instance's memory is limited to %s (setting %s)",
			size(uint64(len(request))), size(i.memory.limit()), settingMemory)}
	}
	ptr, err = i.call(ctx, abi.ExportAlloc, uint64(len(request)))
	if err != nil {
		return 0, err
	}
	if ptr == 0 && len(request) > 0 {
		return 0, &Failure{Kind: Memory, Setting: settingMemory, Text: fmt.Sprintf("out of memory: it has no room for a request of %s; its memory is limited to %s (setting %s)",
			size(uint64(len(request))), size(i.memory.limit()), settingMemory)}
	}
	if !i.module.Memory().Write(ptr, request) {
		return 0, &Failure{Kind: Protocol, Text: fmt.Sprintf("%s(%d) returned %d, which is not inside its memory of %d bytes",
			abi.ExportAlloc, len(request), ptr, i.module.Memory().Size())}
	}
	return ptr, nil
}

// call calls an export whose signature was checked. It is the only way into the guest.
func (i *Instance) call(ctx context.Context, export string, params ...uint64) (result uint32, err error) {
	i.meter.run(exactly)
	results, err := i.module.ExportedFunction(export).Call(i.guestContext(ctx), params...)
	i.meter.pause()
	i.turn.leave()
	if err != nil || len(results) == 0 {
		return 0, err
	}
	return uint32(results[0]), nil
}

// begin prepares for calls into the guest on behalf of one request.
func (i *Instance) begin(ctx context.Context) {
	i.ctx = ctx
	i.responded, i.response = false, nil
	i.memory.refused = 0
	i.meter.used = 0
	i.output.begin(ctx)
}

func (i *Instance) end() {
	i.handling = false
	i.output.flush()
	i.ctx = nil
}

// fail ends the instance's life and makes a *Failure of the error.
func (i *Instance) fail(ctx context.Context, err error) *Failure {
	var f *Failure
	if !errors.As(err, &f) {
		var stack string
		f, stack = failed(ctx, err, i)
		if stack != "" {
			i.log.Warn("the plugin failed", "kind", f.Kind.String(), "text", f.Text, "stack", stack)
		}
	}
	i.spent = f
	if f.Setting != "" {
		i.limited(f.Setting)
	}
	return f
}

// CPU is the processor time that the latest call took of the guest itself.
func (i *Instance) CPU() time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.meter.used
}

// Close ends what the instance left: its programs, its open files, its memory. It can be repeated.
func (i *Instance) Close(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.spent == nil {
		i.spent = errors.New("it was closed")
	}
	if !i.closed {
		i.closed = true
		i.runtime.instances.Add(-1)
	}
	err := i.programs.close()
	if i.module != nil {
		err = errors.Join(err, i.module.Close(ctx))
		// An interruption that came just as a call returned has closed the module, but not what it holds.
		if m, ok := i.module.(interface{ FailIfClosed() error }); ok {
			_ = m.FailIfClosed()
		}
	}
	i.memory.Free()
	return err
}

// nanotime is the guest's monotonic clock. It goes on from where it stood in the snapshot, which may be from before the last boot.
func (i *Instance) nanotime() int64 {
	return i.runtime.nanotime() + i.ahead
}

// sleep is the guest's sleep. It ends with the call.
func (i *Instance) sleep(ns int64) {
	if ns <= 0 {
		return
	}
	timer := time.NewTimer(time.Duration(ns))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-i.ctx.Done():
	}
}

type instanceKey struct{}

// guestContext is ctx with the instance in it, by which host functions know whom they serve.
func (i *Instance) guestContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, instanceKey{}, i)
}

func instanceOf(ctx context.Context) *Instance {
	i, _ := ctx.Value(instanceKey{}).(*Instance)
	return i
}
