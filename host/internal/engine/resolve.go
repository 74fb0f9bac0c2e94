package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
)

// resolve makes a module in dir that requires p.pkg at p.version, with the replacements that the package's own module makes:
// the Go command heeds those of the main module only.
func (g *goTool) resolve(ctx context.Context, dir string, seen func(string), p pin, notes io.Writer) error {
	if err := writeFile(filepath.Join(dir, "go.mod"), []byte("module build\n"), 0o600); err != nil {
		return err
	}
	if err := g.get(ctx, dir, seen, p); err != nil {
		return err
	}
	own, err := g.describe(ctx, dir, seen, p.pkg)
	if err != nil {
		return err
	}
	if own.Name != "main" {
		return fmt.Errorf("package %s is no program but package %s: want the provider's main package", p.pkg, own.Name)
	}
	changed, err := repeatReplacements(own.Module.GoMod, filepath.Join(dir, "go.mod"), notes)
	if err != nil || !changed {
		return err
	}
	return g.get(ctx, dir, seen, p)
}

func (g *goTool) get(ctx context.Context, dir string, seen func(string), p pin) error {
	_, err := g.run(ctx, dir, seen, "get", p.pkg+"@"+p.version)
	return err
}

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	Name   string
	Module struct{ Path, Version, GoMod string }
}

func (g *goTool) describe(ctx context.Context, dir string, seen func(string), pkg string) (goPackage, error) {
	out, err := g.run(ctx, dir, seen, "list", "-json=Name,Module", pkg)
	if err != nil {
		return goPackage{}, err
	}
	var p goPackage
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		return goPackage{}, fmt.Errorf("go list: %w", err)
	}
	return p, nil
}

// repeatReplacements starts the go.mod file `to` again, with the replacements and exclusions of `from`. It reports whether there are any.
func repeatReplacements(from, to string, notes io.Writer) (bool, error) {
	content, err := os.ReadFile(from)
	if err != nil {
		return false, err
	}
	theirs, err := modfile.Parse(from, content, nil)
	if err != nil {
		return false, err
	}
	ours := new(modfile.File)
	if err := ours.AddModuleStmt("build"); err != nil {
		return false, err
	}
	changed := false
	for _, r := range theirs.Replace {
		if r.New.Version == "" { // a directory, which the module proxy does not serve
			fmt.Fprintf(notes, "%s is replaced by the directory %s in its author's checkout: the published one is used\n", r.Old.Path, r.New.Path)
			continue
		}
		if err := ours.AddReplace(r.Old.Path, r.Old.Version, r.New.Path, r.New.Version); err != nil {
			return false, err
		}
		changed = true
	}
	for _, e := range theirs.Exclude {
		if err := ours.AddExclude(e.Mod.Path, e.Mod.Version); err != nil {
			return false, err
		}
		changed = true
	}
	if !changed {
		return false, nil
	}
	formatted, err := ours.Format()
	if err != nil {
		return false, err
	}
	if err := os.Remove(filepath.Join(filepath.Dir(to), "go.sum")); err != nil && !os.IsNotExist(err) {
		return false, err
	}
	return true, writeFile(to, []byte(strings.TrimLeft(string(formatted), "\n")), 0o600)
}
