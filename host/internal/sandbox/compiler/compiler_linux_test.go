package compiler_test

import (
	"errors"
	"fmt"
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
	if tasks, _ := filepath.Glob("/proc/self/task/*/children"); len(tasks) == 0 {
		t.Skip("this kernel does not list children")
	}
	crashed := make(chan error, 1)
	go func() { // it would take minutes
		crashed <- compiler.Compile(t.Context(), nest(100_000), t.TempDir(), compiler.Limits{Time: time.Minute, Bytes: 1 << 30})
	}()
	for sent := false; !sent; {
		select {
		case err := <-crashed:
			t.Fatalf("it has ended by itself: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
		for _, pid := range children() {
			if catchesQuit(pid) {
				sent = syscall.Kill(pid, syscall.SIGQUIT) == nil
			}
		}
	}
	err := <-crashed
	var crash *compiler.CrashError
	if !errors.As(err, &crash) || err.Error() != "the compiler crashed: exit status 2" || !strings.Contains(crash.Output, "SIGQUIT") {
		t.Errorf("got %v", err)
	}
}

// children are the children of this process, which need not be compilers: Go's runtime has some of its own.
func children() (pids []int) {
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, task := range tasks {
		b, _ := os.ReadFile(task)
		for _, field := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// catchesQuit says whether the process is a compiler whose runtime has begun to catch SIGQUIT: before that, it would just end.
func catchesQuit(pid int) bool {
	arguments, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if !strings.HasPrefix(string(arguments), "provisor-compiler\x00") {
		return false
	}
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(status), "\nSigCgt:\t")
	hex, _, _ := strings.Cut(after, "\n")
	caught, err := strconv.ParseUint(hex, 16, 64)
	return err == nil && caught&(1<<(syscall.SIGQUIT-1)) != 0
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
