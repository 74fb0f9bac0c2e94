// Package scaffold writes the source of a new plugin: one that builds, passes its tests and runs at once.
package scaffold

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/provisor/provisor/host/internal/plugin"
)

// Options say what is written.
type Options struct {
	// Name is the plugin's.
	Name string
	// Dir is made for it, unless it is there and empty. Empty = the name.
	Dir string
	// Module is the path of its Go module. Empty = example.com/NAME.
	Module string
}

//go:embed template
var files embed.FS

// values are what the templates are filled with.
type values struct {
	Name, Module string
	// Go and Version are the versions of Go and of this project that the plugin requires.
	Go, Version string
	// Replace is the directory of this project's source where it is no release, quoted for a go.mod; else empty.
	Replace string
}

// New writes a new plugin and has the Go command find what it requires. It returns the directory. Nothing that exists is changed.
func New(ctx context.Context, o Options) (dir string, err error) {
	v, dir, err := o.check(ctx)
	if err != nil {
		return "", fmt.Errorf("new plugin %q: %w", o.Name, err)
	}
	if err := write(dir, v); err != nil {
		return "", fmt.Errorf("new plugin %q: %w", o.Name, err)
	}
	tidy := exec.CommandContext(ctx, "go", "mod", "tidy")
	tidy.Dir, tidy.Env = dir, append(os.Environ(), "PWD="+dir)
	if out, err := tidy.CombinedOutput(); err != nil {
		return "", fmt.Errorf("new plugin %q: it is written to %s, but go mod tidy does not find what it requires: %w\n%s", o.Name, dir, err, bytes.TrimSpace(out))
	}
	return dir, nil
}

func (o Options) check(ctx context.Context) (v values, dir string, err error) {
	if !plugin.ValidName(o.Name) {
		return v, "", errors.New("a name is up to 63 lower-case letters, digits and hyphens, with no hyphen at either end")
	}
	v.Name, v.Module = o.Name, o.Module
	if v.Module == "" {
		v.Module = "example.com/" + o.Name
	}
	if err := module.CheckImportPath(v.Module); err != nil {
		return v, "", fmt.Errorf("the path of a Go module: %w", err)
	}
	if o.Dir == "" {
		o.Dir = o.Name
	}
	if dir, err = filepath.Abs(o.Dir); err != nil {
		return v, "", err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return v, "", fmt.Errorf("%s is not empty", dir)
	} else if err != nil && !os.IsNotExist(err) {
		return v, "", err
	}
	return v, dir, v.requireProject(ctx)
}

// requireProject makes the plugin require this project as this program has it: as a release, or as the source it was built from.
func (v *values) requireProject(ctx context.Context) error {
	root, err := plugin.SourceRoot(ctx)
	if err != nil {
		return fmt.Errorf("find the SDK that belongs to this program: %w", err)
	}
	b, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	mod, err := modfile.ParseLax(filepath.Join(root, "go.mod"), b, nil)
	if err != nil {
		return err
	}
	if mod.Go == nil {
		return fmt.Errorf("%s names no version of Go", filepath.Join(root, "go.mod"))
	}
	v.Go = mod.Go.Version
	// The module cache has the version in the directory's name.
	if _, version, ok := strings.Cut(filepath.Base(root), "@"); ok {
		v.Version = version
		return nil
	}
	if root, err = filepath.Abs(root); err != nil {
		return err
	}
	v.Version, v.Replace = "v0.0.0", modfile.AutoQuote(root)
	return nil
}

// write fills the templates in. Each file is written only where there is none.
func write(dir string, v values) error {
	return fs.WalkDir(files, "template", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(name, "template")))
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := fill(name, v)
		if err != nil {
			return err
		}
		target = strings.TrimSuffix(target, ".tmpl")
		if filepath.Base(target) == "gitignore" {
			// An embedded directory has no files that begin with a dot.
			target = filepath.Join(filepath.Dir(target), ".gitignore")
		}
		return writeNew(target, content)
	})
}

func fill(name string, v values) ([]byte, error) {
	source, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	t, err := template.New(name).Option("missingkey=error").Parse(string(source))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, v)
	return out.Bytes(), err
}

func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
