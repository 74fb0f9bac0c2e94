package sandbox

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/provisor/provisor/abi"
)

// hostCall is one call of a host function.
type hostCall struct {
	*Instance
	ctx  context.Context
	mem  api.Memory
	args []uint64
}

// hostFunction does the work of one of the ABI's functions. A result is not negative; an error becomes an errno.
type hostFunction func(hostCall) (int64, error)

func hostFunctions() map[string]hostFunction {
	return map[string]hostFunction{
		abi.FuncSessionInfo:  hostCall.sessionInfo,
		abi.FuncLog:          hostCall.logText,
		abi.FuncRespond:      hostCall.respond,
		abi.FuncCanceled:     hostCall.canceled,
		abi.FuncExecStart:    hostCall.execStart,
		abi.FuncExecRead:     hostCall.execRead,
		abi.FuncExecWrite:    hostCall.execWrite,
		abi.FuncExecWait:     hostCall.execWait,
		abi.FuncExecSignal:   hostCall.execSignal,
		abi.FuncExecClose:    hostCall.execClose,
		abi.FuncChmod:        hostCall.chmod,
		abi.FuncMode:         hostCall.mode,
		abi.FuncCacheRestore: hostCall.cacheRestore,
		abi.FuncCacheSave:    hostCall.cacheSave,
		abi.FuncLastError:    hostCall.lastErrorText,
	}
}

// provideHost makes the module that plugins import the host's functions from.
func provideHost(ctx context.Context, r wazero.Runtime) error {
	builder := r.NewHostModuleBuilder(abi.HostModule)
	functions := hostFunctions()
	for _, f := range abi.Imports {
		do, ok := functions[f.Name]
		if !ok {
			return fmt.Errorf("the ABI's function %s is not implemented", f.Name)
		}
		builder.NewFunctionBuilder().
			WithGoModuleFunction(enter(f, do), wazeroTypes(f.Params), wazeroTypes(f.Results)).
			Export(f.Name)
	}
	_, err := builder.Instantiate(ctx)
	return err
}

func wazeroTypes(ts []abi.ValueType) []api.ValueType {
	var out []api.ValueType
	for _, t := range ts {
		out = append(out, api.ValueType(t))
	}
	return out
}

// enter is where a guest's call arrives: it applies the one rule for results, and remembers the text behind an errno.
func enter(f abi.Function, do hostFunction) api.GoModuleFunc {
	narrow := f.Results[0] == abi.I32
	return func(ctx context.Context, m api.Module, stack []uint64) {
		i := enterHost(ctx)
		defer i.leaveHost()
		i.rehearsal.allow(abi.HostModule, f.Name)
		result, err := do(hostCall{Instance: i, ctx: ctx, mem: m.Memory(), args: stack})
		if err != nil {
			errno := abi.ErrnoOf(err)
			i.lastError = err.Error()
			if limit := (*callError)(nil); errors.As(err, &limit) && limit.setting != "" {
				i.limited(limit.setting)
			}
			i.log.Debug("a host function returned an errno", "function", f.Name, "errno", errno.Error(), "error", err)
			result = int64(errno.Result())
		}
		if narrow {
			result = int64(uint32(result))
		}
		stack[0] = uint64(result)
	}
}

// invalid is an error with the errno Invalid.
func invalid(format string, args ...any) error { return withErrno(abi.Invalid, format, args...) }

// withErrno is an error with an errno and a text that doesn't repeat the errno's name.
func withErrno(errno abi.Errno, format string, args ...any) error {
	return &callError{errno: errno, text: fmt.Sprintf(format, args...)}
}

// limited is an error with the errno Limit, of the limit that the setting is about.
func limited(setting, format string, args ...any) error {
	return &callError{errno: abi.Limit, text: fmt.Sprintf(format, args...), setting: setting}
}

type callError struct {
	errno abi.Errno
	text  string
	// setting is the limit that is behind it; empty = none is.
	setting string
}

func (e *callError) Error() string { return e.text }
func (e *callError) Unwrap() error { return e.errno }

// errEnded is what a call returns that was still waiting when the request ended.
func (c hostCall) errEnded() error {
	return withErrno(abi.Canceled, "the request has ended: %v", context.Cause(c.ctx))
}

func (c hostCall) i32(arg int) int32 { return int32(c.args[arg]) }

// bytes are the guest's memory at (args[arg], args[arg+1]). They are only valid during the call. The address of nothing does not matter.
func (c hostCall) bytes(arg int) ([]byte, error) {
	ptr, n := uint32(c.args[arg]), uint32(c.args[arg+1])
	if n == 0 {
		return nil, nil
	}
	b, ok := c.mem.Read(ptr, n)
	if !ok {
		return nil, invalid("%d bytes at address %d are not inside the memory of %d bytes", n, ptr, c.mem.Size())
	}
	return b, nil
}

// text is like bytes for a string of at most limit bytes.
func (c hostCall) text(arg int, what string, limit int) (string, error) {
	b, err := c.bytes(arg)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	if len(b) > limit {
		return "", withErrno(abi.Limit, "%s has %d bytes, at most %d are taken", what, len(b), limit)
	}
	if !utf8.Valid(b) {
		return "", invalid("%s is not UTF-8", what)
	}
	return string(b), nil
}

// give writes b to the buffer at (args[arg], args[arg+1]) if it fits. The result is its length either way.
func (c hostCall) give(arg int, b []byte) (int64, error) {
	if uint64(len(b)) > uint64(uint32(c.args[arg+1])) {
		return int64(len(b)), nil
	}
	buf, err := c.bytes(arg)
	if err != nil {
		return 0, err
	}
	copy(buf, b)
	return int64(len(b)), nil
}
