//go:build unix

package filecache

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/provisor/provisor/abi"
)

func TestSaveRefusesAFIFO(t *testing.T) {
	c := open(t, Options{})
	work := tree(t, "a/f", "x")
	if err := syscall.Mkfifo(filepath.Join(work, "a/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Save(t.Context(), scope, "k", work, []string{"a"}); abi.ErrnoOf(err) != abi.Denied {
		t.Errorf("error %v, want %v", err, abi.Denied)
	}
}
