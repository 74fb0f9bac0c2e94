package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/provisor/provisor/host/internal/tenant"
)

// Prepare makes what one session's engine needs beside its home and temporary directory: the CLI configuration, which goes
// into dir (the session's own, not writable by the plugin), and the tenant's provider cache.
func (e *Engine) Prepare(t tenant.Tenant, dir, home, tmp string) (Dirs, error) {
	dirs := Dirs{Home: home, Tmp: tmp, CLIConfig: filepath.Join(dir, "engine.tfrc")}
	config, err := e.cliConfig()
	if err == nil {
		err = writeFile(dirs.CLIConfig, config, 0o400)
	}
	if err != nil {
		return Dirs{}, fmt.Errorf("write the engine's CLI configuration: %w", err)
	}
	if e.locksCache() {
		dirs.PluginCache = filepath.Join(e.cacheDir, "providers", t.Name())
		if err := os.MkdirAll(dirs.PluginCache, 0o700); err != nil {
			return Dirs{}, fmt.Errorf("make the provider cache of tenant %s: %w", t, err)
		}
	}
	return dirs, nil
}

// locksCache reports whether several inits of this engine may share a provider cache. Terraform's write into it without
// a lock (https://github.com/hashicorp/terraform/issues/32915), so each of its sessions downloads for itself what no mirror
// has. OpenTofu locks each provider from 1.10 on.
func (e *Engine) locksCache() bool {
	parts := strings.SplitN(e.Version, ".", 3)
	if e.Name != Tofu || len(parts) < 3 || e.cacheDir == "" {
		return false
	}
	major, _ := strconv.Atoi(parts[0])
	minor, _ := strconv.Atoi(parts[1])
	return major > 1 || major == 1 && minor >= 10
}
