package snippet_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"

	"github.com/provisor/provisor/host/internal/snippet"
)

// imports are what a snippet may use without saying so, by the name that it has there.
var imports = map[string]string{
	"client":    "github.com/provisor/provisor/host/client",
	"kit":       "github.com/provisor/provisor/host/kit",
	"pb":        "github.com/provisor/provisor/proto/provisionerpb",
	"guest":     "github.com/provisor/provisor/sdk-guest",
	"guesttest": "github.com/provisor/provisor/sdk-guest/guesttest",
	"bytes":     "bytes",
	"context":   "context",
	"errors":    "errors",
	"filepath":  "path/filepath",
	"fmt":       "fmt",
	"fs":        "io/fs",
	"io":        "io",
	"json":      "encoding/json",
	"os":        "os",
	"slices":    "slices",
	"strings":   "strings",
	"testing":   "testing",
	"time":      "time",
}

// goPackage is what the Go snippets of one section make together.
type goPackage struct {
	dir   string
	files map[string]string // sources by file name
	// main is whether it is a whole plugin, test whether it has tests, host whether it is for a machine and not for a plugin.
	main, test, host bool
}

// goPackages puts the snippets into packages: one for each section.
func goPackages(blocks []snippet.Block) ([]*goPackage, error) {
	var packages []*goPackage
	var errs []error
	last := ""
	for _, b := range blocks {
		if b.Language != "go" {
			continue
		}
		source, err := goFile(b)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if place := fmt.Sprint(b.Page, " ", b.Number); place != last {
			last = place
			packages = append(packages, &goPackage{dir: fmt.Sprintf("section%d", len(packages)), files: map[string]string{}})
		}
		p := packages[len(packages)-1]
		test := strings.Contains(b.Code, "testing.")
		p.main = p.main || strings.HasPrefix(source, "package main") && !test
		p.test = p.test || test
		p.host = p.host || strings.Contains(source, `provisor/host/`) && !test
		name := fmt.Sprintf("line%d.go", b.Line)
		if test {
			name = fmt.Sprintf("line%d_test.go", b.Line)
		}
		p.files[name] = source
	}
	return packages, errors.Join(errs...)
}

// goFile makes a file of a snippet: with a package, the imports, and a function around what stands inside of one. The compiler's
// messages are about the page's own lines.
func goFile(b snippet.Block) (string, error) {
	whole := strings.HasPrefix(b.Code, "package ")
	code, before, after := b.Code, "package snippet; ", ""
	if signature, ok := strings.CutPrefix(b.Note, "inside "); ok {
		before, after = before+strings.Replace(signature, "func(", "func _(", 1)+" {", "}\n"
	} else if whole {
		before = ""
	}
	// The directive holds for the line after it.
	place := fmt.Sprintf("//line %s:%d\n", b.Page, b.Line)
	file, err := parser.ParseFile(token.NewFileSet(), "", before+"\n"+place+code+after, parser.ParseComments)
	if err != nil {
		return "", fmt.Errorf("%s: %w", b, err)
	}
	if whole {
		return code, nil
	}
	if after != "" {
		after = used(file) + after
	}
	signature, rest, _ := strings.Cut(before, "; ")
	return signature + "; " + importsOf(file) + rest + "\n" + place + code + after, nil
}

// importsOf imports what the file uses and does not import itself.
func importsOf(file *ast.File) string {
	var out []string
	for _, name := range file.Unresolved {
		path, known := imports[name.Name]
		if line := fmt.Sprintf("import %s %q; ", name.Name, path); known && !slices.Contains(out, line) && !importsAs(file, name.Name) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

func importsAs(file *ast.File, name string) bool {
	return slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool {
		return i.Name != nil && i.Name.Name == name || strings.HasSuffix(strings.Trim(i.Path.Value, `"`), name)
	})
}

// used uses what the file's only function declares, if that does not return: a snippet may end before it does.
func used(file *ast.File) string {
	var out strings.Builder
	body := file.Decls[len(file.Decls)-1].(*ast.FuncDecl).Body
	for _, statement := range body.List {
		if _, ok := statement.(*ast.ReturnStmt); ok {
			return ""
		}
		assign, ok := statement.(*ast.AssignStmt)
		if !ok || assign.Tok != token.DEFINE {
			continue
		}
		for _, left := range assign.Lhs {
			if name := left.(*ast.Ident).Name; name != "_" {
				fmt.Fprintf(&out, "_ = %s\n", name)
			}
		}
	}
	return out.String()
}

// goModule is a module as an author has it, beside the project and with nothing but snippets in it.
type goModule string

func newModule(t *testing.T, root string, packages []*goPackage) goModule {
	t.Helper()
	dir := t.TempDir()
	content, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse("go.mod", content, nil)
	if err != nil {
		t.Fatal(err)
	}
	// What the project requires, the module requires too, so that nothing has to be found out.
	project := mod.Module.Mod.Path
	if err := errors.Join(mod.AddModuleStmt("example.com/snippets"), mod.AddRequire(project, "v0.0.0"), mod.AddReplace(project, "", root, "")); err != nil {
		t.Fatal(err)
	}
	if content, err = mod.Format(); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"go.mod": string(content), "go.sum": string(sums)}
	for _, p := range packages {
		for name, source := range p.files {
			files[filepath.Join(p.dir, name)] = source
		}
	}
	for name, source := range files {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(source), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return goModule(dir)
}

// run runs the Go command in the module.
func (m goModule) run(env []string, args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = string(m), append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", args[0], err, out)
	}
	return nil
}

// checkGo vets Go snippets, builds those that are for plugins as such, and runs their tests.
func checkGo(t *testing.T, root string, blocks []snippet.Block) error {
	t.Helper()
	packages, err := goPackages(blocks)
	if len(packages) == 0 {
		return err
	}
	m := newModule(t, root, packages)
	errs := []error{err, m.run(nil, "vet", "./...")}
	plugin := []string{"GOOS=wasip1", "GOARCH=wasm"}
	parts := []string{"build"}
	tests := []string{"test", "-short"}
	for _, p := range packages {
		path := "./" + p.dir
		switch {
		case p.main:
			errs = append(errs, m.run(plugin, "build", "-buildmode=c-shared", "-o", os.DevNull, path))
		case !p.host && !p.onlyTests():
			parts = append(parts, path)
		}
		if p.test {
			tests = append(tests, path)
		}
	}
	if len(parts) > 1 {
		errs = append(errs, m.run(plugin, parts...))
	}
	if len(tests) > 2 {
		errs = append(errs, m.run(nil, tests...))
	}
	return errors.Join(errs...)
}

func (p *goPackage) onlyTests() bool {
	for name := range p.files {
		if !strings.HasSuffix(name, "_test.go") {
			return false
		}
	}
	return true
}
