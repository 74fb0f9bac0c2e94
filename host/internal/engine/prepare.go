package engine

import (
	"fmt"
	"path/filepath"

	"github.com/provisor/provisor/host/internal/tenant"
)

// Prepare makes what one session's engine needs beside its home and temporary directory: the CLI configuration, which goes
// into dir (the session's own, not writable by the plugin).
//
// There is no provider cache that several sessions write to: without a lock file in the template both engines install into it again
// what is there already, under the hands of who is using it. Terraform does so without a lock
// (https://github.com/hashicorp/terraform/issues/32915), OpenTofu lets go of its own too early. What no mirror has, each
// session downloads for itself.
func (e *Engine) Prepare(_ tenant.Tenant, dir, home, tmp string) (Dirs, error) {
	dirs := Dirs{Home: home, Tmp: tmp, CLIConfig: filepath.Join(dir, "engine.tfrc")}
	config, err := e.cliConfig()
	if err == nil {
		err = writeFile(dirs.CLIConfig, config, 0o400)
	}
	if err != nil {
		return Dirs{}, fmt.Errorf("write the engine's CLI configuration: %w", err)
	}
	return dirs, nil
}
