package wasmtest

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
)

// function is one of the host's functions.
func function(name string) api.GoModuleFunc {
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		r := ctx.Value(hostKey{}).(*testHost).functions()[name](mod.Memory(), stack)
		if name != abi.FuncExecRead {
			r = int64(api.EncodeI32(int32(r)))
		}
		stack[0] = uint64(r)
	}
}

func (h *testHost) functions() map[string]func(api.Memory, []uint64) int64 {
	return map[string]func(m api.Memory, a []uint64) int64{
		abi.FuncSessionInfo:  func(m api.Memory, a []uint64) int64 { return put(m, a[0], a[1], marshal(h.info)) },
		abi.FuncLog:          func(m api.Memory, a []uint64) int64 { h.logs = append(h.logs, string(get(m, a[1], a[2]))); return 0 },
		abi.FuncRespond:      func(m api.Memory, a []uint64) int64 { h.responses = append(h.responses, get(m, a[0], a[1])); return 0 },
		abi.FuncCanceled:     func(api.Memory, []uint64) int64 { return h.isCanceled() },
		abi.FuncExecStart:    h.execStart,
		abi.FuncExecRead:     h.execRead,
		abi.FuncExecWrite:    h.execWrite,
		abi.FuncExecWait:     func(m api.Memory, a []uint64) int64 { return put(m, a[1], a[2], marshal(h.result)) },
		abi.FuncExecSignal:   h.execSignal,
		abi.FuncExecClose:    func(api.Memory, []uint64) int64 { h.closed = true; return 0 },
		abi.FuncChmod:        func(m api.Memory, a []uint64) int64 { h.chmods[string(get(m, a[0], a[1]))] = uint32(a[2]); return 0 },
		abi.FuncMode:         func(m api.Memory, a []uint64) int64 { return int64(h.chmods[string(get(m, a[0], a[1]))]) },
		abi.FuncCacheRestore: func(api.Memory, []uint64) int64 { return 0 },
		abi.FuncCacheSave:    func(api.Memory, []uint64) int64 { return 0 },
		abi.FuncLastError:    func(m api.Memory, a []uint64) int64 { return put(m, a[0], a[1], []byte(h.lastError)) },
	}
}

func (h *testHost) isCanceled() int64 {
	h.canceledCalls++
	if h.canceled != nil && h.canceled(h.canceledCalls) {
		return 1
	}
	return 0
}

func (h *testHost) execStart(m api.Memory, a []uint64) int64 {
	req := new(guestpb.ExecRequest)
	if err := proto.Unmarshal(get(m, a[0], a[1]), req); err != nil {
		return int64(abi.Invalid.Result())
	}
	if req.GetProgram() != "tool" {
		h.lastError = "the operator does not grant " + req.GetProgram()
		return int64(abi.Denied.Result())
	}
	return 1
}

func (h *testHost) execRead(m api.Memory, a []uint64) int64 {
	if len(h.output) == 0 {
		return 0
	}
	p := h.output[0]
	if p.stream == abi.TimedOut {
		time.Sleep(time.Millisecond)
	}
	n := min(len(p.text), int(uint32(a[2])))
	if h.output[0].text = p.text[n:]; len(h.output[0].text) == 0 {
		h.output = h.output[1:]
	}
	m.Write(uint32(a[1]), []byte(p.text[:n]))
	return abi.PackRead(p.stream, uint32(n))
}

// execSignal ends the program, whatever the signal is.
func (h *testHost) execSignal(_ api.Memory, a []uint64) int64 {
	h.signals, h.output = append(h.signals, int32(a[1])), nil
	return 0
}

func (h *testHost) execWrite(m api.Memory, a []uint64) int64 {
	b := get(m, a[1], a[2])
	if len(b) == 0 {
		h.output = append(h.output, piece{abi.Stdout, string(h.input)})
		return 0
	}
	h.writes++
	b = b[:min(len(b), h.takes(h.writes))]
	h.input = append(h.input, b...)
	if len(b) == 0 {
		h.output = append(h.output, piece{stream: abi.TimedOut})
	}
	return int64(len(b))
}

func get(m api.Memory, ptr, size uint64) []byte {
	b, ok := m.Read(uint32(ptr), uint32(size))
	if !ok {
		panic("the plugin passed a bad pointer")
	}
	return append([]byte(nil), b...)
}

func put(m api.Memory, ptr, capacity uint64, b []byte) int64 {
	if len(b) <= int(uint32(capacity)) {
		m.Write(uint32(ptr), b)
	}
	return int64(len(b))
}

func marshal(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}
