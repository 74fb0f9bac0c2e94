package compiler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// A process that is a compiler becomes it here, not in main: that spares programs that embed the host from calling it, and tests.
func init() {
	if len(os.Args) == 4 && os.Args[0] == name {
		code, err := run(os.Args[1], os.Args[2], os.Args[3])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}
}

func run(dir, memory, duration string) (code int, err error) {
	most, err := strconv.ParseUint(memory, 10, 64)
	if err != nil {
		return exitIO, err
	}
	limit, err := time.ParseDuration(duration)
	if err != nil {
		return exitIO, err
	}
	// Whoever started this may be gone.
	time.AfterFunc(limit, func() { os.Exit(exitTime) })
	debug.SetMemoryLimit(int64(most - most/8))
	limitMemory(most)
	go watchMemory(most)
	module, err := io.ReadAll(os.Stdin)
	if err != nil {
		return exitIO, err
	}
	return compile(module, dir)
}

func compile(module []byte, dir string) (code int, err error) {
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return exitIO, err
	}
	ctx := experimental.WithCompilationWorkers(context.Background(), runtime.GOMAXPROCS(0))
	_, err = wazero.NewRuntimeWithConfig(ctx, Config().WithCompilationCache(cache)).CompileModule(ctx, module)
	var file *fs.PathError
	var rename *os.LinkError
	switch {
	case err == nil:
		return exitDone, nil
	case errors.As(err, &file), errors.As(err, &rename):
		return exitIO, err
	}
	return exitInvalid, err
}

// Config is what modules are compiled with. What loads them must use it too.
func Config() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfig().
		// ABI 1 is these features, whatever a later wazero enables by itself.
		WithCoreFeatures(api.CoreFeaturesV2).
		// DWARF is a large parser for a stack trace that function names explain well enough.
		WithDebugInfoEnabled(false)
}

// watchMemory ends the process when it has taken more memory than it may.
func watchMemory(most uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for {
		metrics.Read(sample)
		if sample[0].Value.Uint64()-sample[1].Value.Uint64() > most {
			os.Exit(exitMemory)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
