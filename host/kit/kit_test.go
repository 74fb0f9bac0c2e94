package kit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	_ "github.com/provisor/provisor/host/internal/sandbox/compiler/compilertest"
)

// sharedCache is where other tests have built and compiled the plugins before.
func sharedCache(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "provisor")
}

func TestEchoPasses(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a plugin")
	}
	TestWith(t, Options{
		Plugin: filepath.FromSlash("../../plugins/echo"), Template: filepath.FromSlash("testdata/echo"), CacheDir: sharedCache(t),
	})
}

func TestTerraformPasses(t *testing.T) {
	if testing.Short() {
		t.Skip("runs an engine")
	}
	TestWith(t, Options{
		Plugin: filepath.FromSlash("../../plugins/terraform"), Template: filepath.FromSlash("../../examples/templates/hello"), CacheDir: sharedCache(t),
	})
}

// TestCasesSayWhatTheyProve keeps names fit for a --run pattern and for JUnit, and each of them the only one of its kind.
func TestCasesSayWhatTheyProve(t *testing.T) {
	name := regexp.MustCompile(`^[a-z]+(-[a-z]+)*(/[a-z]+(-[a-z]+)*)?$`)
	seen := make(map[string]bool)
	for _, c := range Cases() {
		if !name.MatchString(c.Name) || seen[c.Name] {
			t.Errorf("the name %q is taken, or none", c.Name)
		}
		seen[c.Name] = true
		if len(c.Proves) < 30 || !strings.HasSuffix(c.Proves, ".") {
			t.Errorf("%s proves %q", c.Name, c.Proves)
		}
	}
}

func TestRunWithoutAPlugin(t *testing.T) {
	for _, o := range []Options{{Plugin: "testdata/nowhere.wasm"}, {Plugin: "testdata"}, {Plugin: "testdata/echo/echo.txt"}} {
		o.CacheDir = t.TempDir()
		if report, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), o.Plugin) {
			t.Errorf("%s: got %v, %v", o.Plugin, report, err)
		}
	}
}

func TestRunWithoutAnEngine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plugin.wasm")
	if err := os.WriteFile(file, careless(nil), 0o600); err != nil {
		t.Fatal(err)
	}
	const engine = "/nowhere/terraform"
	if report, err := Run(t.Context(), Options{Plugin: file, Engine: engine, CacheDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), engine) {
		t.Errorf("got %v, %v", report, err)
	}
}

// TestRunEndsWithItsContext cancels a run in its second case.
func TestRunEndsWithItsContext(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plugin.wasm")
	if err := os.WriteFile(file, careless(nil), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ended []string
	report, err := Run(ctx, Options{
		Plugin: file, CacheDir: sharedCache(t),
		Ended: func(r Result) { ended = append(ended, r.Name) },
		Started: func(c Case) {
			if c.Name == "answers" {
				cancel()
			}
		},
	})
	if !errors.Is(err, context.Canceled) || len(report.Results) != 1 || len(ended) != 1 {
		t.Errorf("got %v, %v, %v", report, ended, err)
	}
}
