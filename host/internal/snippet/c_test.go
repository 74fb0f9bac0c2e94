package snippet_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisor/provisor/host/internal/snippet"
)

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
