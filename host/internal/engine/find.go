// Package engine is all that the host knows of Terraform and OpenTofu: where the binary is and which version, how one is
// built where none is installed, the environment and CLI configuration that it runs with, and where its providers come
// from. It knows nothing of WebAssembly or sessions.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
)

// The names of the engines, which are those of their binaries as well.
const (
	Terraform = "terraform"
	Tofu      = "tofu"
)

// howToGet is what a person without an engine can do.
const howToGet = "install OpenTofu (https://opentofu.org/docs/intro/install/) or Terraform (https://developer.hashicorp.com/terraform/install), " +
	"or name a binary with --engine PATH"

// Options say which engine, and what it is given.
type Options struct {
	// Path is the engine's binary. Empty = terraform, then tofu on the PATH, then an OpenTofu that is built into CacheDir. It is built for
	// "tofu" as well, where a version is wanted and there is none on the PATH.
	Path string
	// Version is which versions will do, as Terraform writes constraints: "1.11.4", "~> 1.11", ">= 1.9, < 2". Empty = any.
	Version string
	// CacheDir holds what can be made again: versions of binaries, an OpenTofu, providers.
	CacheDir string
	// Env is what the operator lets through to the engine: NAME takes the daemon's own value if there is one, NAME=VALUE
	// sets it. PATH replaces DefaultPath.
	Env []string
	// Mirrors are directories in the layout of `terraform providers mirror`, packed or unpacked. What they hold is never
	// asked of a registry. None = MirrorDir, which may come to be later.
	Mirrors []string
	// NoBuild has Find fail with ErrBuild where it would build an OpenTofu.
	NoBuild bool
	// Log is the daemon's log; nil = none.
	Log *slog.Logger
	// Progress is told, in lines for a person, of what takes longer than a moment; nil = nobody.
	Progress io.Writer
}

// ErrBuild is why Find fails with NoBuild.
var ErrBuild = errors.New("that takes some minutes, once")

// Engine is an engine that is there and that has said which version it is.
type Engine struct {
	// Name is "terraform" or "tofu".
	Name string
	// Path is the binary's absolute path.
	Path string
	// Version is as the engine says, without a leading v: "1.11.4".
	Version string

	passed  []string
	mirrors []string
	// file is the one that has said so.
	file identity
}

// Find returns the engine that the options name, or the first that is there. A new binary is run once to ask for its version, for
// at most half a minute.
func Find(ctx context.Context, o Options) (*Engine, error) {
	o.fill()
	passed, err := ResolveEnv(o.Env)
	if err != nil {
		return nil, err
	}
	mirrors, err := checkMirrors(o.Mirrors)
	if err != nil {
		return nil, err
	}
	if len(mirrors) == 0 {
		mirrors = Mirrors(o)
	}
	wanted, err := ParseVersions(o.Version)
	if err != nil {
		return nil, err
	}
	path, v, err := o.binary(ctx, wanted)
	if err != nil {
		return nil, err
	}
	return &Engine{Name: v.Name, Path: path, Version: v.Version, passed: passed, mirrors: mirrors, file: v.file}, nil
}

func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
}

// binary is the absolute path of the engine to use, and what it says that it is.
func (o *Options) binary(ctx context.Context, wanted Versions) (path string, v version, err error) {
	if o.Path != "" {
		path, err := osexec.LookPath(o.Path) // a name without a slash is looked for on the PATH, as a shell would
		if errors.Is(err, osexec.ErrNotFound) && o.Path == Tofu && o.Version != "" && wanted.accept(tofuVersion()) {
			return o.built(ctx)
		}
		if err != nil {
			return "", v, fmt.Errorf("engine %s: %w; %s", o.Path, errors.Unwrap(err), howToGet)
		}
		path, v, err = o.ask(ctx, path)
		if err == nil && !wanted.accept(v.Version) {
			err = fmt.Errorf("engine %s is %s %s, version %s is wanted: name another path, or change the version", path, v.Name, v.Version, o.Version)
		}
		return path, v, err
	}
	var others []string
	for _, name := range []string{Terraform, Tofu} {
		// LookPath refuses what it finds through "." on the PATH: whoever owns the current directory is not to choose.
		path, err := osexec.LookPath(name)
		if err != nil {
			continue
		}
		path, v, err = o.ask(ctx, path)
		switch {
		case o.Version == "", err == nil && wanted.accept(v.Version):
			return path, v, err
		case err != nil:
			others = append(others, err.Error())
		default:
			others = append(others, fmt.Sprintf("%s is %s %s", path, v.Name, v.Version))
		}
	}
	if !wanted.accept(tofuVersion()) {
		return "", v, fmt.Errorf("no engine of version %s: %s, and what can be built is OpenTofu %s; change the version, or %s",
			o.Version, cmp.Or(strings.Join(others, ", "), "neither terraform nor tofu is on the PATH"), tofuVersion(), howToGet)
	}
	path, v, err = o.built(ctx)
	if err != nil && !errors.Is(err, ErrBuild) {
		err = fmt.Errorf("no engine: %s, and %w; %s",
			cmp.Or(strings.Join(others, ", "), fmt.Sprintf("neither terraform nor tofu is on the PATH (%s)", strings.Join(searched(), ", "))), err, howToGet)
	}
	return path, v, err
}

// ask asks the binary which version it is.
func (o *Options) ask(ctx context.Context, path string) (string, version, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", version{}, err
	}
	v, err := o.version(ctx, path)
	if err != nil {
		return "", v, fmt.Errorf("engine %s: %w", path, err)
	}
	return path, v, nil
}

// built is the OpenTofu that is built where there is none.
func (o *Options) built(ctx context.Context) (string, version, error) {
	path, err := BuildTofu(ctx, *o)
	if err != nil {
		return "", version{}, err
	}
	return o.ask(ctx, path)
}

// searched is the list of directories that LookPath looks in.
func searched() []string {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	if len(dirs) == 0 {
		return []string{"which is empty"}
	}
	return dirs
}
