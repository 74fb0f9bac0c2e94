package snippet_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"mvdan.cc/sh/v3/syntax"

	"github.com/provisor/provisor/host/internal/plugin"

	"github.com/provisor/provisor/host/internal/snippet"
	"github.com/provisor/provisor/proto/guestpb"
)

// skipUnderRace skips a test that runs compilers: the race detector sees nothing of them.
func skipUnderRace(t *testing.T) {
	t.Helper()
	if testing.Short() || raceEnabled {
		t.Skip("runs compilers")
	}
}

// project is the project's directory.
func project(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// blocks are those of all pages of the project.
func blocks(t *testing.T) (all []snippet.Block) {
	t.Helper()
	root := project(t)
	pages, err := snippet.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, snippet.Find(page, source)...)
	}
	return all
}

// checked are the languages that a test knows how to check, and "text", which is for reading only.
var checked = []string{"go", "c", "hcl", "textproto", "sh", "diff", "text"}

// TestLanguages: code whose language is misspelt would be checked by nobody.
func TestLanguages(t *testing.T) {
	for _, b := range blocks(t) {
		if !slices.Contains(checked, b.Language) {
			t.Errorf("%s: the language is %q; known are %s", b, b.Language, strings.Join(checked, ", "))
		}
	}
}

// TestManifests reads the manifests as plugins are built with them. A page may leave out what every manifest has.
func TestManifests(t *testing.T) {
	for _, b := range blocks(t) {
		if b.Language == "hcl" {
			if err := checkManifest(t, b); err != nil {
				t.Error(err)
			}
		}
	}
}

func checkManifest(t *testing.T, b snippet.Block) error {
	t.Helper()
	content := b.Code
	for name, value := range map[string]string{"name": `"snippet"`, "version": `"1.0.0"`, "requests": `["init"]`} {
		if !regexp.MustCompile(`(?m)^` + name + `\s*=`).MatchString(content) {
			content += name + " = " + value + "\n"
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, plugin.SourceFile), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := plugin.SourceManifest(dir); err != nil {
		return fmt.Errorf("%s: %w", b, err)
	}
	return nil
}

func TestManifestsThatAreWrong(t *testing.T) {
	for code, want := range map[string]string{
		"programs = terraform":          "Variables may not be used",
		"program = [\"terraform\"]":     "program",
		"env = [\"TF VAR\"]":            "TF VAR",
		"version = \"1\"":               "semantic version",
		"requests = [\"provision\"]":    "provision",
		"keep_files = [\"/etc/hosts\"]": "relative path",
	} {
		if err := checkManifest(t, snippet.Find("page.md", []byte("```hcl\n"+code+"\n```\n"))[0]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want %q", code, err, want)
		}
	}
}

// TestManifestTexts reads manifests in the text of protobuf, as authors in other languages write them.
func TestManifestTexts(t *testing.T) {
	for _, b := range blocks(t) {
		if b.Language == "textproto" {
			if err := prototext.Unmarshal([]byte(b.Code), new(guestpb.Manifest)); err != nil {
				t.Errorf("%s: %v", b, err)
			}
		}
	}
}

// TestC compiles C snippets against the ABI's header, those of one section together.
func TestC(t *testing.T) {
	skipUnderRace(t)
	if err := checkC(t, project(t), blocks(t)); err != nil {
		t.Error(err)
	}
}

func TestCThatIsWrong(t *testing.T) {
	skipUnderRace(t)
	for code, want := range map[string]string{
		"```c\nint x = y;\n```": "page.md:2",
		"<!-- c\n#include <provisor.h>\n-->\n\n```c\nint32_t f(void) { return provisor_respond(1); }\n```": "page.md:6",
		"```c\nint f(void) {}\n```": "page.md:2",
	} {
		if err := checkC(t, project(t), snippet.Find("page.md", []byte(code))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want %q", code, err, want)
		}
	}
}

// checkC skips the test where there is no compiler, unless the tests are told that there has to be one.
func checkC(t *testing.T, root string, blocks []snippet.Block) error {
	t.Helper()
	if _, err := exec.LookPath("clang"); err != nil && os.Getenv("PROVISOR_REQUIRE_EXAMPLES") == "" {
		t.Skip("there is no clang here")
	}
	var sections []string
	last := ""
	for _, b := range blocks {
		if b.Language != "c" {
			continue
		}
		if place := fmt.Sprint(b.Page, " ", b.Number); place != last {
			last = place
			sections = append(sections, "")
		}
		sections[len(sections)-1] += fmt.Sprintf("#line %d %q\n%s", b.Line, b.Page, b.Code)
	}
	var errs []error
	for _, source := range sections {
		clang := exec.Command("clang", "--target=wasm32-wasi", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
			"-I", filepath.Join(root, "abi"), "-x", "c", "-")
		clang.Stdin = strings.NewReader(source)
		if out, err := clang.CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("clang: %w\n%s", err, out))
		}
	}
	return errors.Join(errs...)
}

// TestShell parses what is for a shell. That the commands and flags of provisor are right, its own tests check.
func TestShell(t *testing.T) {
	for _, b := range blocks(t) {
		if b.Language != "sh" {
			continue
		}
		if _, err := syntax.NewParser().Parse(strings.NewReader(b.Code), b.String()); err != nil {
			t.Error(err)
		}
	}
}

func TestGo(t *testing.T) {
	skipUnderRace(t)
	if err := checkGo(t, project(t), blocks(t)); err != nil {
		t.Error(err)
	}
}

// TestGoThatIsWrong: each of these pages must not pass.
func TestGoThatIsWrong(t *testing.T) {
	skipUnderRace(t)
	for name, test := range map[string]struct{ code, want string }{
		"no Go":              {"```go\nfunc {\n```", "page.md:2"},
		"unknown name":       {"text\n\n```go\nfunc f() { guest.Information(\"x\") }\n```", "page.md:4"},
		"wrong argument":     {"<!-- inside func f(ctx context.Context) -->\n```go\nerr := guest.Command(ctx).Run()\n```", "page.md:3"},
		"vet complains":      {"```go\nfunc f() { guest.Logf(pb.LogLevel_INFO, \"%d\", \"x\") }\n```", "page.md:2"},
		"no plugin":          {"```go\nimport \"syscall\"\n\nvar fork = syscall.ForkExec\n```", "ForkExec"},
		"internal package":   {"```go\nimport _ \"github.com/provisor/provisor/host/internal/plugin\"\n```", "internal"},
		"failing test":       {"```go\nfunc TestX(t *testing.T) { t.Error(\"it is wrong\") }\n```", "it is wrong"},
		"hidden part":        {"<!-- go\nvar x int = \"\"\n-->\n\n```go\nvar y = x\n```", "page.md:2"},
		"broken whole":       {"```go\npackage main\n\nfunc main() { x }\n```", "undefined: x"},
		"other section's":    {"```go\nvar x = 1\n```\n\n# Next\n\n```go\nvar y = x\n```", "undefined: x"},
		"two of one section": {"```go\nvar x = 1\n```\n\n```go\nvar x = 1\n```", "x redeclared"},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkGo(t, project(t), snippet.Find("page.md", []byte(test.code)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %q", err, test.want)
			}
		})
	}
}
