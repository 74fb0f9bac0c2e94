package host

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisor/provisor/host/internal/exec/jail"
)

// Where there is no jail as it is required, that is what is said, and no plugin is waited for.
func TestRequiredJail(t *testing.T) {
	o := Options{CacheDir: t.TempDir(), DataDir: t.TempDir(), Jail: JailOptions{NoNamespaces: true, Require: []JailLayer{jail.Root}}}
	_, err := New(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "jail: ") || !strings.Contains(err.Error(), string(jail.Root)) {
		t.Errorf("got %v", err)
	}
	if built, _ := filepath.Glob(filepath.Join(CompiledDir(o.CacheDir), "wazero-*", "*")); len(built) > 0 {
		t.Errorf("compiled are %v", built)
	}
}
