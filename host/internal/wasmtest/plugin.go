package wasmtest

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
)

// RequestAt is where a Plugin has the host write requests. Below it the memory is free for Data.
const RequestAt = 32 << 10

// Plugin is a module with all exports that the ABI asks for. Everything but handle does what it should.
type Plugin struct {
	Module
	host    map[string]uint32
	defined map[string]bool
}

// NewPlugin returns a plugin that imports all functions of the host and some of WASI's.
func NewPlugin() *Plugin {
	p := &Plugin{host: map[string]uint32{}, defined: map[string]bool{}}
	for _, f := range abi.Imports {
		p.host[f.Name] = p.ImportFunc(abi.HostModule, f.Name, types(f.Params), types(f.Results))
	}
	p.host["proc_exit"] = p.ImportFunc("wasi_snapshot_preview1", "proc_exit", []Type{I32}, nil)
	p.host["poll_oneoff"] = p.ImportFunc("wasi_snapshot_preview1", "poll_oneoff", []Type{I32, I32, I32, I32}, []Type{I32})
	p.host["fd_write"] = p.ImportFunc("wasi_snapshot_preview1", "fd_write", []Type{I32, I32, I32, I32}, []Type{I32})
	p.host["clock_time_get"] = p.ImportFunc("wasi_snapshot_preview1", "clock_time_get", []Type{I32, I64, I32}, []Type{I32})
	p.host["fd_close"] = p.ImportFunc("wasi_snapshot_preview1", "fd_close", []Type{I32}, []Type{I32})
	p.host["path_open"] = p.ImportFunc("wasi_snapshot_preview1", "path_open", []Type{I32, I32, I32, I32, I32, I64, I64, I32, I32}, []Type{I32})
	p.host["random_get"] = p.ImportFunc("wasi_snapshot_preview1", "random_get", []Type{I32, I32}, []Type{I32})
	return p
}

// Host calls a function of the host, or one of the WASI functions that NewPlugin imports, with constants.
func (p *Plugin) Host(name string, args ...int32) []byte {
	var out []byte
	for _, a := range args {
		out = append(out, I32Const(a)...)
	}
	return append(out, Call(p.Index(name))...)
}

// Name gives an index a name, for Index.
func (p *Plugin) Name(name string, index uint32) { p.host[name] = index }

// Index is the index of an imported function, or one that Name has named.
func (p *Plugin) Index(name string) uint32 {
	i, ok := p.host[name]
	if !ok {
		panic("wasmtest: no function " + name)
	}
	return i
}

// Respond responds with the bytes and leaves the result of respond.
func (p *Plugin) Respond(response string) []byte {
	const at = 1024
	p.Data(at, []byte(response))
	return p.Host(abi.FuncRespond, at, int32(len(response)))
}

// Handled returns the plugin with that body of provisor_handle, whose parameters are locals 0 and 1, and which leaves its status, and
// with 1 page of memory.
func (p *Plugin) Handled(body ...[]byte) []byte { return p.Finish(nil, body...) }

// Finish is Handled with locals, from index 2 on.
func (p *Plugin) Finish(locals []Type, body ...[]byte) []byte {
	p.Define(abi.ExportABIVersion, nil, I32Const(abi.Version))
	p.Define(abi.ExportAlloc, nil, I32Const(RequestAt))
	p.Define(abi.ExportHandle, locals, body...)
	p.Memory(AtLeast(1))
	p.ExportMemory(abi.ExportMemory)
	return p.Bytes()
}

// WithManifest is the module with that manifest behind it.
func WithManifest(module []byte, m *guestpb.Manifest) []byte {
	content, err := proto.Marshal(m)
	if err == nil {
		module, err = abi.WithCustomSection(module, abi.ManifestSection, content)
	}
	if err != nil {
		panic("wasmtest: " + err.Error())
	}
	return module
}

// Defines reports whether Define was called for the export.
func (p *Plugin) Defines(export string) bool { return p.defined[export] }

// Define adds an export with the signature that the ABI gives it.
func (p *Plugin) Define(export string, locals []Type, body ...[]byte) {
	i := slices.IndexFunc(abi.Exports, func(f abi.Function) bool { return f.Name == export })
	f := abi.Exports[i]
	p.defined[export] = true
	p.ExportFunc(export, p.Func(types(f.Params), types(f.Results), locals, body...))
}

func types(ts []abi.ValueType) []Type {
	var out []Type
	for _, t := range ts {
		out = append(out, Type(t))
	}
	return out
}
