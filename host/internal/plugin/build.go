package plugin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/progress"
)

// BuildOptions say where a build goes.
type BuildOptions struct {
	// Out is the .wasm file to write. It is replaced in one go, and left as it is if nothing has changed.
	Out string
	// CacheDir keeps what the Go command made, so that it has nothing to do where nothing has changed. Empty = nothing is kept.
	CacheDir string
	// Progress is told when the build takes longer than a second. nil = nobody.
	Progress io.Writer
}

// Build builds the Go plugin in dir: its main package, as a WebAssembly library, with the manifest that its plugin.hcl
// describes. Equal sources and an equal Go version give equal bytes. Several processes may build the same at once.
func Build(ctx context.Context, dir string, o BuildOptions) error {
	if o.Out == "" {
		return errors.New("build a plugin: no file is named for it")
	}
	_, err := build(ctx, dir, o)
	return err
}

// BuildCached is Build into a file in the cache that is this directory's own. It returns its path.
func BuildCached(ctx context.Context, dir string, o BuildOptions) (path string, err error) {
	if o.CacheDir == "" {
		return "", errors.New("build a plugin: no cache directory is named for it")
	}
	o.Out = ""
	return build(ctx, dir, o)
}

func build(ctx context.Context, dir string, o BuildOptions) (path string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("build the plugin in %s: %w", dir, err)
		}
	}()
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	manifest, err := readSource(dir)
	if err != nil {
		return "", err
	}
	section, err := proto.MarshalOptions{Deterministic: true}.Marshal(manifest)
	if err != nil {
		return "", err
	}
	workshop, leave, err := enterWorkshop(ctx, dir, o.CacheDir)
	if err != nil {
		return "", err
	}
	defer leave()
	if o.Out == "" {
		if path, ok := fresh(workshop); ok {
			return path, nil
		}
	}
	began := time.Now()
	raw := filepath.Join(workshop, "go.wasm")
	done := progress.Announce(o.Progress, fmt.Sprintf("building the plugin %s from %s ...", manifest.GetName(), dir))
	err = goBuild(ctx, dir, raw)
	done()
	if err != nil {
		return "", err
	}
	module, err := os.ReadFile(raw)
	if err != nil {
		return "", err
	}
	if module, err = abi.WithCustomSection(module, abi.ManifestSection, section); err != nil {
		return "", err
	}
	if o.Out != "" {
		return o.Out, replace(o.Out, module)
	}
	path = filepath.Join(workshop, manifest.GetName()+".wasm")
	if err := replace(path, module); err != nil {
		return "", err
	}
	leaveStamp(ctx, workshop, dir, path, began)
	return path, nil
}

// enterWorkshop returns a directory for what is built from dir alone, and locks it.
func enterWorkshop(ctx context.Context, dir, cache string) (workshop string, leave func(), err error) {
	if cache == "" {
		workshop, err = os.MkdirTemp("", "provisor-build-")
		return workshop, func() { os.RemoveAll(workshop) }, err
	}
	key := sha256.Sum256([]byte(dir))
	workshop = filepath.Join(cache, "plugins", hex.EncodeToString(key[:8]))
	if err := os.MkdirAll(workshop, 0o700); err != nil {
		return "", nil, err
	}
	lock := flock.New(filepath.Join(workshop, "lock"))
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return "", nil, fmt.Errorf("wait for another process that builds it: %w", err)
	}
	return workshop, func() { _ = lock.Unlock() }, nil
}

// goBuild has the Go command compile the package. Given the output of the last time, it leaves it where nothing has changed,
// in a fifth of a second.
func goBuild(ctx context.Context, dir, out string) error {
	command, err := exec.LookPath("go")
	if err != nil {
		return errors.New("there is no go command on the PATH: install Go from https://go.dev/dl, or name a .wasm file that is built already")
	}
	// Paths and the state of the repository would make equal sources into different bytes.
	cmd := goCommand(ctx, command, dir, "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, ".")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, strings.TrimSpace(tail(output, 8<<10)))
	}
	return nil
}

// goCommand is the Go command at work on a plugin.
func goCommand(ctx context.Context, command, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "PWD="+dir)
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// tail is the end of an output that may be long.
func tail(output []byte, most int) string {
	if len(output) <= most {
		return string(output)
	}
	_, rest, _ := bytes.Cut(output[len(output)-most:], []byte("\n"))
	return "...\n" + string(rest)
}

// replace puts the bytes at path, whole or not at all. A file that holds them already is left alone.
func replace(path string, b []byte) error {
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, b) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
