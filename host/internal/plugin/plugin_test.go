package plugin

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/provisor/provisor/host/internal/sandbox"
)

func TestDefaultIsBuiltAndLoads(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a plugin")
	}
	cache := t.TempDir()
	rt, err := sandbox.New(t.Context(), sandbox.Options{CacheDir: filepath.Join(cache, "compiled")})
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close(t.Context())
	for range 2 {
		began := time.Now()
		path, err := Default(t.Context(), DefaultName, BuildOptions{CacheDir: cache, Progress: t.Output()})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("built after %v", time.Since(began))
		p, err := Load(t.Context(), rt, path)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("loaded after %v", time.Since(began))
		if p.Name != DefaultName || p.Version == "" || !p.Manifest.GetSnapshot() {
			t.Errorf("got %v", p)
		}
	}
}
