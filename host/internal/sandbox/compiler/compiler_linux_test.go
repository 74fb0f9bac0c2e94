package compiler_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/provisor/provisor/host/internal/sandbox/compiler"
	_ "github.com/provisor/provisor/host/internal/sandbox/compiler/compilertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A compiler that crashes takes nobody with it, and its last words are kept.
func TestCrash(t *testing.T) {
	if _, err := compiler.Program(); err != nil { // so that the child below is no other
		t.Fatal(err)
	}
	crashed := make(chan error)
	go func() {
		crashed <- compiler.Compile(t.Context(), nest(100_000), t.TempDir(), compiler.Limits{Time: time.Minute, Bytes: 1 << 30})
	}()
	for {
		time.Sleep(10 * time.Millisecond)
		if pid := child(t); pid > 0 {
			time.Sleep(300 * time.Millisecond) // until it has become a compiler
			if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	err := <-crashed
	var crash *compiler.CrashError
	if !errors.As(err, &crash) || err.Error() != "the compiler crashed: exit status 2" || !strings.Contains(crash.Output, "SIGQUIT") {
		t.Errorf("got %v", err)
	}
}

// child is a child of this process.
func child(t *testing.T) int {
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(tasks) == 0 {
		t.Skip("this kernel does not list children")
	}
	for _, task := range tasks {
		b, _ := os.ReadFile(task)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			return pid
		}
	}
	return 0
}

func TestInvalid(t *testing.T) {
	err := compiler.Compile(t.Context(), []byte("no module"), t.TempDir(), compiler.Limits{Time: time.Minute, Bytes: 1 << 30})
	var invalid *compiler.InvalidError
	if !errors.As(err, &invalid) || err.Error() != "invalid magic number" {
		t.Errorf("got %v", err)
	}
}

func TestDirectoryThatIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := compiler.Compile(t.Context(), nest(3), file, compiler.Limits{Time: time.Minute, Bytes: 1 << 30})
	if err == nil || !strings.Contains(err.Error(), "file") {
		t.Errorf("got %v", err)
	}
}

// nest is a module with a function of that many loops in each other.
func nest(n int) []byte {
	body := append([]byte{0}, strings.Repeat("\x03\x40", n)+strings.Repeat("\x0b", n+1)...)
	section := func(id byte, content []byte) []byte {
		return append(append([]byte{id}, leb(len(content))...), content...)
	}
	code := append(append([]byte{1}, leb(len(body))...), body...)
	module := append([]byte("\x00asm\x01\x00\x00\x00"), section(1, []byte{1, 0x60, 0, 0})...)
	return append(append(module, section(3, []byte{1, 0})...), section(10, code)...)
}

func leb(n int) []byte {
	var b []byte
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}
