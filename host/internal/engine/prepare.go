package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/provisor/provisor/host/internal/engine/providercache"
)

// Prepare makes what one session's engine needs beside its home and temporary directory: the CLI configuration, which goes
// into dir (the session's own, not writable by the plugin) for its owner and a group, 0 = none. Providers that an init downloads are kept on
// the shelf, which may be nil.
//
// There is no provider cache that engines write to: without a lock file in the template both engines install into it again
// what is there already, under the hands of who is using it. Terraform does so without a lock
// (https://github.com/hashicorp/terraform/issues/32915), OpenTofu lets go of its own too early. So it is the host that fills the cache, after
// the inits, and engines read it.
func (e *Engine) Prepare(shelf *providercache.Shelf, dir, home, tmp string, group int) (Dirs, error) {
	dirs := Dirs{Home: home, Tmp: tmp, CLIConfig: filepath.Join(dir, "engine.tfrc"), Shelf: shelf, Group: group}
	return dirs, e.configure(dirs, nil)
}

// configure writes the CLI configuration, with what an init may take from the shelf, unless that is what it says already.
func (e *Engine) configure(dirs Dirs, i *providercache.Install) error {
	config, err := e.cliConfig(dirs.Shelf, i)
	if err == nil {
		if says(dirs.CLIConfig, config) {
			return nil
		}
		err = writeFile(dirs.CLIConfig, config, 0o400)
	}
	if err == nil && dirs.Group != 0 {
		err = errors.Join(os.Lchown(dirs.CLIConfig, -1, dirs.Group), os.Chmod(dirs.CLIConfig, 0o440))
	}
	if err != nil {
		return fmt.Errorf("write the engine's CLI configuration: %w", err)
	}
	return nil
}

// says is whether a file has that content. Where there is no jail a template may have put anything in its place: a pipe that nobody writes to, or
// a device without end.
func says(path string, content []byte) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(content)) {
		return false
	}
	old, err := os.ReadFile(path)
	return err == nil && bytes.Equal(old, content)
}

// IsInit says whether a run of the engine is an init.
func IsInit(args []string) bool { return len(args) > 0 && args[0] == "init" }

// BeginInit is to be called before a run of the engine that is an init, in the directory work; EndInit after it, if it has succeeded. It
// returns nil where nothing is kept.
func (e *Engine) BeginInit(dirs Dirs, work string, args []string) (*providercache.Install, error) {
	if dirs.Shelf == nil || e.hasOwnConfig() {
		return nil, nil
	}
	upgrade := slices.ContainsFunc(args, func(arg string) bool {
		name, value, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		return name == "upgrade" && value != "false"
	})
	i, err := dirs.Shelf.Begin(work, upgrade)
	if err != nil {
		return nil, err
	}
	return i, e.configure(dirs, i)
}

// EndInit keeps what a successful init has downloaded for later sessions.
func (e *Engine) EndInit(ctx context.Context, i *providercache.Install) {
	i.End(ctx, func() (mirrored []string) {
		for _, dir := range e.mirrors {
			if providers, err := mirroredProviders(dir); err == nil {
				mirrored = append(mirrored, providers...)
			}
		}
		return mirrored
	})
}

// hasOwnConfig says whether the operator has the engine read another CLI configuration.
func (e *Engine) hasOwnConfig() bool {
	return slices.ContainsFunc(e.passed, func(v string) bool { return strings.HasPrefix(v, "TF_CLI_CONFIG_FILE=") })
}
