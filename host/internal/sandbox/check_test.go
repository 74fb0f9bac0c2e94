package sandbox

import (
	"strings"
	"testing"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/wasmtest"
)

// Nothing runs while a module is compiled: these would fail in the first test below if it did.
func TestCompileNamesWhatIsWrong(t *testing.T) {
	i32, i64 := wasmtest.I32, wasmtest.I64
	tests := map[string]struct {
		module func(p *wasmtest.Plugin) []byte
		limits Limits
		want   []string
	}{
		"everything is there": {
			module: func(p *wasmtest.Plugin) []byte { return p.Handled(wasmtest.Unreachable) },
		},
		"not WebAssembly": {
			module: func(*wasmtest.Plugin) []byte { return []byte("\x7fELF") },
			want:   []string{`not a WebAssembly binary module (it must start with "\0asm" and version 1)`},
		},
		"a component": {
			module: func(*wasmtest.Plugin) []byte { return []byte("\x00asm\x0d\x00\x01\x00") },
			want:   []string{"not a WebAssembly binary module"},
		},
		"all exports are missing": {
			module: func(*wasmtest.Plugin) []byte { return wasmtest.Header() },
			want: []string{
				"does not speak version 1 of the ABI",
				"lacks the export provisor_abi_version () -> (i32)",
				"lacks the export provisor_alloc (i32) -> (i32)",
				"lacks the export provisor_handle (i32, i32) -> (i32)",
				`lacks the export of its memory as "memory"`,
			},
		},
		"an export with another signature": {
			module: func(p *wasmtest.Plugin) []byte {
				p.ExportFunc(abi.ExportInitialize, p.Func([]wasmtest.Type{i64}, nil, nil))
				return p.Handled(wasmtest.I32Const(0))
			},
			want: []string{"its export _initialize has the signature (i64) -> (), it must be () -> ()"},
		},
		"a host function as an export": {
			module: func(p *wasmtest.Plugin) []byte {
				p.ExportFunc(abi.ExportHandle, p.Index(abi.FuncRespond))
				p.Define(abi.ExportABIVersion, nil, wasmtest.I32Const(abi.Version))
				p.Define(abi.ExportAlloc, nil, wasmtest.I32Const(8))
				p.Memory(wasmtest.AtLeast(1))
				p.ExportMemory("memory")
				return p.Bytes()
			},
			want: []string{"its export provisor_handle is a function that it imports itself"},
		},
		"an import of another signature": {
			module: func(p *wasmtest.Plugin) []byte {
				p.ImportFunc(abi.HostModule, abi.FuncLog, []wasmtest.Type{i32, i32}, []wasmtest.Type{i32})
				p.ImportFunc("wasi_snapshot_preview1", "fd_close", nil, nil)
				return p.Handled(wasmtest.I32Const(0))
			},
			want: []string{
				"its import provisor_v1.log has the signature (i32, i32) -> (i32), it must be (i32, i32, i32) -> (i32)",
				"its import wasi_snapshot_preview1.fd_close has the signature () -> (), it must be (i32) -> (i32)",
			},
		},
		"imports that do not exist": {
			module: func(p *wasmtest.Plugin) []byte {
				p.ImportFunc(abi.HostModule, "exec_everything", nil, nil)
				p.ImportFunc("wasi_snapshot_preview1", "fd_teleport", nil, nil)
				return p.Handled(wasmtest.I32Const(0))
			},
			want: []string{
				"it imports provisor_v1.exec_everything, which version 1.0 of the ABI does not have",
				"it imports wasi_snapshot_preview1.fd_teleport, which WASI preview 1 does not have",
			},
		},
		"a function from elsewhere": {
			module: func(p *wasmtest.Plugin) []byte {
				p.ImportFunc("env", "system", nil, nil)
				return p.Handled(wasmtest.I32Const(0))
			},
			want: []string{"it imports the function env.system, which is not to be had: there are functions of provisor_v1 and wasi_snapshot_preview1"},
		},
		"a memory from elsewhere": {
			module: func(p *wasmtest.Plugin) []byte {
				p.ImportMemory("provisor_v1", "memory", wasmtest.AtLeast(1))
				return p.Bytes()
			},
			want: []string{"it imports the memory provisor_v1.memory"},
		},
		"a global from elsewhere": {
			module: func(p *wasmtest.Plugin) []byte {
				p.ImportGlobal("env", "__stack_pointer", i32)
				return p.Bytes()
			},
			want: []string{"it imports the global env.__stack_pointer"},
		},
		"a start function": {
			module: func(p *wasmtest.Plugin) []byte {
				p.Start(p.Func(nil, nil, nil, wasmtest.Unreachable))
				return p.Handled(wasmtest.I32Const(0))
			},
			want: []string{"the start section: there is a start function: what has to run first belongs into the export _initialize"},
		},
		"a memory of another name": {
			module: func(p *wasmtest.Plugin) []byte {
				p.Define(abi.ExportABIVersion, nil, wasmtest.I32Const(abi.Version))
				p.Define(abi.ExportAlloc, nil, wasmtest.I32Const(8))
				p.Define(abi.ExportHandle, nil, wasmtest.I32Const(0))
				p.Memory(wasmtest.AtLeast(1))
				p.ExportMemory("mem")
				return p.Bytes()
			},
			want: []string{`it lacks the export of its memory as "memory"`},
		},
		"too much memory from the start": {
			module: func(p *wasmtest.Plugin) []byte { return p.Handled(wasmtest.I32Const(0)) },
			limits: Limits{MemoryBytes: 1},
			want:   []string{"it needs 64 KiB of memory at least, the limit is 0 bytes (setting memory_bytes)"},
		},
		"too large a module": {
			module: func(p *wasmtest.Plugin) []byte { return p.Handled(wasmtest.I32Const(0)) },
			limits: Limits{ModuleBytes: 10},
			want:   []string{"the limit is 10 bytes (setting module_bytes)"},
		},
		"code that does not validate": {
			module: func(p *wasmtest.Plugin) []byte { return p.Handled(wasmtest.I32Add) },
			want:   []string{"cannot pop the 1st operand for i32.add"},
		},
		"a feature that is not a part of the ABI": {
			module: func(p *wasmtest.Plugin) []byte {
				p.Define(abi.ExportHandle, nil, wasmtest.I32Const(0))
				p.Memory([]byte{3, 1, 2}) // shared
				return p.Bytes()
			},
			want: []string{"the memory section: there are limits of the unknown kind 3"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := newRuntime(t, Options{Limits: test.limits}).Compile(t.Context(), Source{Wasm: test.module(wasmtest.NewPlugin())})
			if len(test.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got  %v\nwant %s", err, want)
				}
			}
		})
	}
}
