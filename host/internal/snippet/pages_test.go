package snippet_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"

	_ "github.com/provisor/provisor/host/internal/sandbox/compiler/compilertest"
	"github.com/provisor/provisor/host/internal/snippet"
)

// skipUnderRace skips a test that runs compilers: the race detector sees nothing of them.
func skipUnderRace(t *testing.T) {
	t.Helper()
	if testing.Short() {
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
	forPages(t, func(page string, source []byte) { all = append(all, snippet.Find(page, source)...) })
	return all
}

// forPages calls f for each page of the project.
func forPages(t *testing.T, f func(page string, source []byte)) {
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
		f(page, source)
	}
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
