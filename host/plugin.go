package host

import (
	"context"
	"fmt"
	"os"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/progress"
	"github.com/provisor/provisor/host/internal/sandbox"
)

// loadPlugin loads the plugin that the options name; a directory is built first.
func loadPlugin(ctx context.Context, rt *sandbox.Runtime, o Options) (*plugin.Plugin, error) {
	file, err := pluginFile(ctx, o)
	if err != nil {
		return nil, err
	}
	defer progress.Announce(o.Progress, "compiling the plugin "+file+" ...")()
	return plugin.Load(ctx, rt, file)
}

func pluginFile(ctx context.Context, o Options) (string, error) {
	build := plugin.BuildOptions{CacheDir: o.CacheDir, Progress: o.Progress}
	if o.Plugin == "" {
		return plugin.Default(ctx, plugin.DefaultName, build)
	}
	info, err := os.Stat(o.Plugin)
	if err != nil {
		return "", fmt.Errorf("plugin: %w", err)
	}
	if !info.IsDir() {
		return o.Plugin, nil
	}
	return plugin.BuildCached(ctx, o.Plugin, build)
}
