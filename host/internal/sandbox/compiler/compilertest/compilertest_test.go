package compilertest

import (
	"os"
	"testing"
	"time"

	"github.com/provisor/provisor/host/internal/sandbox/compiler"
)

// What is compiled by whatever is the compiler here is where it should be. With the race detector on, that is another program.
func TestCompile(t *testing.T) {
	dir := t.TempDir()
	if err := compiler.Compile(t.Context(), []byte("\x00asm\x01\x00\x00\x00"), dir, compiler.Limits{Time: time.Minute, Bytes: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}
