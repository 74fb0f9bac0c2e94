package peers

import (
	"context"
	"time"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Extism runs the plugin as instances of one compiled module.
type Extism struct {
	compiled *extism.CompiledPlugin
}

// guestDir is where guests see the template.
const guestDir = "/work"

// NewExtism compiles the module, or takes it from the cache directory. Its instances see dir. With a timeout they can be interrupted.
func NewExtism(ctx context.Context, wasm, dir, cacheDir string, timeout time.Duration) (*Extism, error) {
	cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
	if err != nil {
		return nil, err
	}
	compiled, err := extism.NewCompiledPlugin(ctx, extism.Manifest{
		Wasm:         []extism.Wasm{extism.WasmFile{Path: wasm}},
		AllowedPaths: map[string]string{dir: guestDir},
		Timeout:      uint64(timeout.Milliseconds()),
	}, extism.PluginConfig{EnableWasi: true, RuntimeConfig: wazero.NewRuntimeConfig().WithCompilationCache(cache)}, nil)
	if err != nil {
		return nil, err
	}
	return &Extism{compiled}, nil
}

// Start makes an instance and has it parse. The function that it returns closes the instance.
func (e *Extism) Start(ctx context.Context) (*pb.ParseComplete, func(), error) {
	instance, err := e.compiled.Instance(ctx, extism.PluginInstanceConfig{
		ModuleConfig: wazero.NewModuleConfig().WithSysWalltime().WithSysNanotime(),
	})
	if err != nil {
		return nil, nil, err
	}
	stop := func() { _ = instance.Close(ctx) }
	_, out, err := instance.CallWithContext(ctx, "parse", []byte(guestDir))
	answer := new(pb.ParseComplete)
	if err == nil {
		err = proto.Unmarshal(out, answer)
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	return answer, stop, nil
}

// Close frees the compiled module.
func (e *Extism) Close(ctx context.Context) error { return e.compiled.Close(ctx) }
