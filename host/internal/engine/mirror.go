package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// The registries that an address without a host means: Terraform's to Terraform, OpenTofu's to OpenTofu.
var publicRegistries = []string{"registry.terraform.io", "registry.opentofu.org"}

// MirrorOptions say which provider goes into which mirror.
type MirrorOptions struct {
	// Package is the import path of the provider's main package with its version: PACKAGE@VERSION.
	Package string
	// As are the addresses that templates know it by: HOST/NAMESPACE/NAME, or NAMESPACE/NAME. One on a public registry
	// (which is meant without a host) stands for the same on the other's as well.
	As []string
	// Dir is the mirror. Empty = MirrorDir.
	Dir string
	// CacheDir holds what can be made again.
	CacheDir string
	// Progress is told, in lines for a person, of what takes longer than a moment; nil = nobody.
	Progress io.Writer
}

// MirrorDir is the mirror below a cache directory.
func MirrorDir(cacheDir string) string { return filepath.Join(cacheDir, "mirror") }

// MirrorAdd builds a provider with Go from the module proxy, and puts it into a mirror, unpacked. It returns the directories in which
// the mirror has it now; one that is there already is left as it is, since an engine may be running what is in it.
func MirrorAdd(ctx context.Context, o MirrorOptions) ([]string, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	dirs, err := o.add(ctx)
	if err != nil {
		return nil, fmt.Errorf("add %s to the mirror: %w", o.Package, err)
	}
	return dirs, nil
}

func (o *MirrorOptions) add(ctx context.Context) ([]string, error) {
	p, err := parsePackage(o.Package)
	if err != nil {
		return nil, err
	}
	addresses, err := expandAddresses(o.As)
	if err != nil {
		return nil, err
	}
	cacheDir, err := filepath.Abs(o.CacheDir)
	if err != nil {
		return nil, err
	}
	mirror := o.Dir
	if mirror == "" {
		mirror = MirrorDir(cacheDir)
	}
	if mirror, err = filepath.Abs(mirror); err != nil {
		return nil, err
	}
	var dirs []string
	for _, a := range addresses {
		dirs = append(dirs, packageDir(mirror, a, p.version))
	}
	if allThere(dirs) {
		return dirs, nil
	}
	return dirs, o.build(ctx, p, mirror, cacheDir, dirs)
}

// build builds the provider and puts it into those of dirs that are not there.
func (o *MirrorOptions) build(ctx context.Context, p pin, mirror, cacheDir string, dirs []string) error {
	tool, err := findGo(cacheDir)
	if err != nil {
		return err
	}
	workshop := filepath.Join(cacheDir, "build", "provider-"+hash(o.Package)[:12])
	waiting := func() { fmt.Fprintf(o.Progress, "waiting for another process that builds %s\n", o.Package) }
	return locked(ctx, filepath.Join(workshop, "lock"), waiting, func() (err error) {
		if allThere(dirs) {
			return nil
		}
		if err := removeStaging(workshop); err != nil {
			return err
		}
		staging, err := os.MkdirTemp(workshop, stagingPrefix)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(staging)) }()
		built := filepath.Join(staging, "provider"+exeSuffix())
		if err := o.buildProvider(ctx, tool, p, staging, built); err != nil {
			return err
		}
		for _, dir := range dirs {
			if err := place(built, mirror, dir); err != nil {
				return err
			}
		}
		return nil
	})
}

// buildProvider builds p.pkg into the file built, with the pinned modules if there are any, and sees that it is a provider.
func (o *MirrorOptions) buildProvider(ctx context.Context, tool *goTool, p pin, staging, built string) error {
	bar := newProgress(o.Progress, "building "+o.Package, p.packages)
	defer bar.stop()
	source := filepath.Join(staging, "source")
	if p.dir != "" {
		if err := p.write(source); err != nil {
			return err
		}
	} else if err := tool.resolve(ctx, source, bar.seen, p, o.Progress); err != nil {
		return err
	}
	if err := tool.build(ctx, source, bar.seen, p.ldflags, built, p.pkg); err != nil {
		return err
	}
	if err := checkProvider(ctx, built, staging); err != nil {
		return err
	}
	if info, err := os.Stat(built); err == nil {
		fmt.Fprintf(o.Progress, "built %s in %s, %.1f MB\n", o.Package, bar.elapsed(), float64(info.Size())/1e6)
	}
	return nil
}

// place copies the binary into the mirror as dir, which appears whole or not at all.
func place(built, mirror, dir string) error {
	if allThere([]string{dir}) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	staging, err := os.MkdirTemp(mirror, ".staging-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(staging)
	// The address's name and the version are those of the path: NAME/VERSION/OS_ARCH.
	version := filepath.Base(filepath.Dir(dir))
	name := filepath.Base(filepath.Dir(filepath.Dir(dir)))
	binary := filepath.Join(staging, fmt.Sprintf("terraform-provider-%s_v%s%s", name, version, exeSuffix()))
	if err := copyFile(built, binary, 0o555); err != nil {
		return err
	}
	if err := os.Chmod(staging, 0o755); err != nil {
		return err
	}
	if err := os.Rename(staging, dir); err != nil && !allThere([]string{dir}) {
		return err
	}
	return nil
}

func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// packageDir is where a mirror has a provider's version for this platform, unpacked.
func packageDir(mirror, address, version string) string {
	return filepath.Join(mirror, filepath.FromSlash(address), strings.TrimPrefix(version, "v"), runtime.GOOS+"_"+runtime.GOARCH)
}

func allThere(dirs []string) bool {
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err != nil {
			return false
		}
	}
	return true
}

// parsePackage takes PACKAGE@VERSION apart. What is pinned comes back as its pin.
func parsePackage(s string) (pin, error) {
	pkg, version, ok := strings.Cut(s, "@")
	if !ok || version == "" || semver.Canonical(version) != strings.TrimSuffix(version, "+incompatible") {
		return pin{}, errors.New("want PACKAGE@VERSION with a whole version, such as github.com/coder/terraform-provider-coder/v2@v2.20.0")
	}
	if err := module.CheckImportPath(pkg); err != nil {
		return pin{}, err
	}
	for _, p := range providerPins {
		if p.pkg == pkg && p.version == version {
			return p, nil
		}
	}
	return pin{pkg: pkg, version: version}, nil
}

// expandAddresses checks addresses and adds what they stand for, each once.
func expandAddresses(as []string) ([]string, error) {
	if len(as) == 0 {
		return nil, errors.New("say which address templates know it by: HOST/NAMESPACE/NAME")
	}
	var all []string
	for _, a := range as {
		host, rest, _ := strings.Cut(a, "/")
		expanded := []string{a}
		if strings.Count(a, "/") == 1 {
			host, rest = publicRegistries[0], a
		}
		if slices.Contains(publicRegistries, host) {
			expanded = nil
			for _, registry := range publicRegistries {
				expanded = append(expanded, registry+"/"+rest)
			}
		}
		for _, e := range expanded {
			if err := checkAddress(e); err != nil {
				return nil, err
			}
			if !slices.Contains(all, e) {
				all = append(all, e)
			}
		}
	}
	return all, nil
}
