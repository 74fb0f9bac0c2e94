package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// With PROVISOR_TEST_TOFU set to a cache directory, the pinned OpenTofu is built there: some minutes the first time.
func TestBuildTofuForReal(t *testing.T) {
	cache := os.Getenv("PROVISOR_TEST_TOFU")
	if cache == "" {
		t.Skip("set PROVISOR_TEST_TOFU to a cache directory: building OpenTofu takes minutes")
	}
	t.Setenv("PATH", goOnlyPath(t))
	e, err := Find(t.Context(), Options{CacheDir: cache, Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimPrefix(tofuPin.version, "v"); e.Name != Tofu || e.Version != want {
		t.Errorf("got %+v, want OpenTofu %s", e, want)
	}
	t.Log(e.Path)
}

// goOnlyPath is a PATH on which there is Go but no engine.
func goOnlyPath(t *testing.T) string {
	t.Helper()
	tool, err := findGo(t.TempDir())
	if err != nil {
		t.Skip(err)
	}
	return filepath.Dir(tool.path)
}
