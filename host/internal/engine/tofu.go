package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// BuildTofu returns the path of the pinned OpenTofu below CacheDir. Where it is not there yet it is built, with Go alone: that takes
// some minutes, once. Several processes may ask at the same time: one builds, the others wait for it.
func BuildTofu(ctx context.Context, o Options) (string, error) {
	o.fill()
	name := "OpenTofu " + tofuVersion()
	path, err := o.buildTofu(ctx, name)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	return path, nil
}

// tofuVersion is the version of the OpenTofu that is built.
func tofuVersion() string { return strings.TrimPrefix(tofuPin.version, "v") }

func (o *Options) buildTofu(ctx context.Context, name string) (string, error) {
	digest, err := tofuPin.digest()
	if err != nil {
		return "", err
	}
	cacheDir, err := filepath.Abs(o.CacheDir)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cacheDir, "engines", "opentofu-"+tofuPin.version+"-"+digest[:12])
	path := filepath.Join(dir, Tofu+exeSuffix())
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	tool, err := findGo(cacheDir)
	if err != nil {
		return "", err
	}
	if o.NoBuild {
		return "", fmt.Errorf("%w, with %s", ErrBuild, tool.path)
	}
	waiting := func() { fmt.Fprintf(o.Progress, "waiting for another process that builds %s\n", name) }
	err = locked(ctx, filepath.Join(dir, "lock"), waiting, func() error {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		fmt.Fprintf(o.Progress, "building %s with Go, once, since no terraform or tofu on the PATH will do; this takes some minutes\n", name)
		return o.buildPinned(ctx, tool, tofuPin, dir, path, func(built string) error {
			v, err := ask(ctx, built)
			if err == nil && v.Name != Tofu {
				err = fmt.Errorf("it says that it is %s %s", v.Name, v.Version)
			}
			return err
		})
	})
	return path, err
}

// buildPinned builds a pin's package in dir, and puts it at path once check has nothing against it.
func (o *Options) buildPinned(ctx context.Context, tool *goTool, p pin, dir, path string, check func(built string) error) (err error) {
	source := filepath.Join(dir, "source")
	if err := p.write(source); err != nil {
		return err
	}
	if err := removeStaging(dir); err != nil {
		return err
	}
	bar := newProgress(o.Progress, "building "+filepath.Base(p.pkg), p.packages)
	defer bar.stop()
	staging, err := os.MkdirTemp(dir, stagingPrefix)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staging)) }()
	built := filepath.Join(staging, filepath.Base(path))
	if err := tool.build(ctx, source, bar.seen, p.ldflags, built, p.pkg); err != nil {
		return err
	}
	if err := check(built); err != nil {
		return fmt.Errorf("what was built does not work: %w", err)
	}
	if err := os.Rename(built, path); err != nil {
		return err
	}
	fmt.Fprintf(o.Progress, "built %s in %s\n", path, bar.elapsed())
	return nil
}

// removeStaging removes what a build left that was killed. The caller holds the directory's lock.
func removeStaging(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, stagingPrefix+"*"))
	for _, d := range left {
		err = errors.Join(err, os.RemoveAll(d))
	}
	return err
}

const stagingPrefix = "staging-"

// build builds the package, which the module in dir requires, without symbols and without paths of this machine.
func (g *goTool) build(ctx context.Context, dir string, seen func(string), ldflags, out, pkg string) error {
	_, err := g.run(ctx, dir, seen, "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", strings.TrimSpace("-s -w "+ldflags), "-o", out, pkg)
	return err
}

func exeSuffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}
