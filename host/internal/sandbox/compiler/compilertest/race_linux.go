//go:build race

package compilertest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sync"

	"github.com/provisor/provisor/host/internal/sandbox/compiler"
)

// What a test changes of its surroundings is none of the build's business.
var (
	goTool, _ = exec.LookPath("go")
	env       = os.Environ()
	dir, _    = os.Getwd()
)

func init() { compiler.Program = sync.OnceValues(build) }

// build builds the tests of this package, which are as good a compiler as any other program with package compiler in it, and like this
// process do not say which wazero they are made of: what one compiles, the other loads. It returns the path of a file that is gone
// already: it is there for as long as this process.
func build() (_ string, err error) {
	tmp, err := os.MkdirTemp("", "compilertest-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	file := filepath.Join(tmp, "compiler")
	cmd := exec.Command(goTool, "test", "-c", "-race=false", "-o", file, reflect.TypeFor[here]().PkgPath())
	cmd.Env, cmd.Dir = env, dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build a compiler: %w\n%s", err, text)
	}
	if opened, err = os.Open(file); err != nil {
		return "", err
	}
	return fmt.Sprintf("/proc/self/fd/%d", opened.Fd()), nil
}

type here struct{}

// opened is the compiler's file, which is never closed.
var opened *os.File
