package sandbox

import (
	"encoding/binary"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/wasmtest"
	"github.com/provisor/provisor/proto/guestpb"
)

// Whatever a plugin passes to a host function, the function returns: no panic, no trap, and the plugin can go on.
func FuzzHostFunctions(f *testing.F) {
	r, err := New(f.Context(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	defer r.Close(f.Context())
	var instances []*Instance
	for _, function := range abi.Imports {
		m, err := r.Compile(f.Context(), snapshotOf(callWithRequest(function)))
		if err != nil {
			f.Fatal(err)
		}
		host := &fakeHost{info: []byte("info"), process: &fakeProcess{output: []string{"1text"}}, cache: map[string]bool{"key": true}}
		i, err := m.Instantiate(f.Context(), InstanceConfig{Name: "fuzz", Work: newDirFS(f), Tmp: newDirFS(f), Host: host})
		if err != nil {
			f.Fatal(err)
		}
		defer i.Close(f.Context())
		instances = append(instances, i)
	}

	start, err := proto.Marshal(&guestpb.ExecRequest{Program: "terraform", Args: []string{"version"}, Env: []string{"TF_LOG=x"}, Dir: "a"})
	if err != nil {
		f.Fatal(err)
	}
	const payload = wasmtest.RequestAt + 16
	for n := range instances {
		f.Add(uint8(n), int32(payload), int32(len(start)), int32(100), int32(0), start)
		f.Add(uint8(n), int32(1), int32(payload), int32(9), int32(-1), []byte("/work/a/b"))
		f.Add(uint8(n), int32(-1), int32(-1), int32(-1), int32(-1), []byte{0xff})
	}
	f.Fuzz(func(t *testing.T, n uint8, a, b, c, d int32, data []byte) {
		request := make([]byte, 0, 16+len(data))
		for _, arg := range []int32{a, b, c, d} {
			request = binary.LittleEndian.AppendUint32(request, uint32(arg))
		}
		if len(data) > 16<<10 {
			data = data[:16<<10]
		}
		i := instances[int(n)%len(instances)]
		if _, err := i.Handle(t.Context(), append(request, data...)); err != nil {
			t.Errorf("%s(%d, %d, %d, %d): %v", abi.Imports[int(n)%len(instances)].Name, a, b, c, d, err)
		}
	})
}

// callWithRequest is a plugin that calls the function with the first four numbers of the request, drops the result, and responds.
func callWithRequest(function abi.Function) []byte {
	p := wasmtest.NewPlugin()
	body := append(p.Host(abi.FuncExecStart, 0, 0), wasmtest.Drop...) // so that some handles are open
	for n := range function.Params {
		body = slices.Concat(body, wasmtest.LocalGet(0), wasmtest.I32Load(uint32(4*n)))
	}
	return p.Handled(body, wasmtest.Call(p.Index(function.Name)), wasmtest.Drop,
		p.Host(abi.FuncRespond, 0, 0), wasmtest.Drop, wasmtest.I32Const(0))
}
