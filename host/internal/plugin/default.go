package plugin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// DefaultName is the plugin that runs where none is named.
const DefaultName = "terraform"

// modulePath is the module that the project is, with the source of its plugins.
const modulePath = "github.com/provisor/provisor"

// Default builds the project's own plugin of that name, unless that is done already, and returns its file. The source is the
// checkout that this program was built from, or the module cache if it was installed by version. A release has the plugin
// named DefaultName in itself.
func Default(ctx context.Context, name string, o BuildOptions) (path string, err error) {
	if name == DefaultName && len(embedded) > 0 {
		return unpackEmbedded(o.CacheDir)
	}
	root, err := sourceRoot(ctx)
	if err != nil {
		return "", fmt.Errorf("find the source of the plugin %s: %w; name a .wasm file instead", name, err)
	}
	return BuildCached(ctx, filepath.Join(root, "plugins", name), o)
}

// unpackEmbedded puts the plugin of a release into the cache.
func unpackEmbedded(cacheDir string) (string, error) {
	digest := sha256.Sum256(embedded)
	path := filepath.Join(cacheDir, "plugins", DefaultName+"-"+hex.EncodeToString(digest[:8])+".wasm")
	if err := replace(path, embedded); err != nil {
		return "", fmt.Errorf("unpack the plugin %s: %w", DefaultName, err)
	}
	return path, nil
}

// sourceRoot is the directory of the project's source that belongs to this program.
func sourceRoot(ctx context.Context) (string, error) {
	// The compiler notes where this file was, be it a checkout or the module cache. With -trimpath it does not.
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		root := filepath.Join(filepath.Dir(file), "..", "..", "..")
		if isSourceRoot(root) {
			return root, nil
		}
	}
	var released error
	if info, ok := debug.ReadBuildInfo(); ok {
		// A version with metadata ("+dirty") names a state of a checkout that nobody can download.
		if v := versionOf(info); semver.IsValid(v) && semver.Build(v) == "" {
			root, err := download(ctx, v)
			if err == nil {
				return root, nil
			}
			released = err
		}
	}
	root, err := listed(ctx)
	return root, errors.Join(released, err)
}

func isSourceRoot(dir string) bool {
	b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && modfile.ModulePath(b) == modulePath
}

// versionOf is the version of the project in this program, be it the program's own module or a dependency.
func versionOf(info *debug.BuildInfo) string {
	if info.Main.Path == modulePath {
		return info.Main.Version
	}
	for _, d := range info.Deps {
		if d.Path == modulePath && d.Replace == nil {
			return d.Version
		}
	}
	return ""
}

// download has the Go command put that version into the module cache.
func download(ctx context.Context, version string) (string, error) {
	out, err := output(exec.CommandContext(ctx, "go", "mod", "download", "-json", modulePath+"@"+version))
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return "", fmt.Errorf("go mod download: %w", err)
	}
	return module.Dir, nil
}

// listed asks the Go command for the module as seen from the working directory.
func listed(ctx context.Context) (string, error) {
	out, err := output(exec.CommandContext(ctx, "go", "list", "-m", "-json", modulePath))
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	if !isSourceRoot(module.Dir) {
		return "", fmt.Errorf("go list names %q, which is not it", module.Dir)
	}
	return module.Dir, nil
}

// output runs a command; its error has what the command said.
func output(cmd *exec.Cmd) ([]byte, error) {
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("%v: %w: %s", cmd.Args, err, tail(exit.Stderr, 1<<10))
	}
	return out, err
}
