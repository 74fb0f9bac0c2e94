//go:build !windows

package statefile

import (
	"path/filepath"

	"github.com/google/renameio/v2"
)

// replace writes a file of mode 0600 beside path, flushes it to disk, and renames it over path.
func replace(path string, content []byte) error {
	return renameio.WriteFile(path, content, 0o600, renameio.WithStaticPermissions(0o600), renameio.WithTempDir(filepath.Dir(path)))
}
