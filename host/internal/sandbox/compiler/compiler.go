// Package compiler compiles modules in a process of its own. A small module can make the compiler run for hours, which nothing
// interrupts within one function, take all the memory there is, or crash; all of that ends with the process.
//
// The process is this program itself, executed under another name: a package initializer turns it into a compiler before anything
// else of the program runs.
package compiler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// name is the first argument of a process that is a compiler.
const name = "provisor-compiler"

// The exit codes of a compiler. Whatever else it ends with is a crash.
const (
	exitDone    = 0
	exitInvalid = 10 // standard error says why
	exitMemory  = 11
	exitTime    = 12
	exitIO      = 13 // the directory can't be written; standard error says why
)

// maxOutput is how much of a compiler's standard error is kept, in bytes: crashes print the stacks of all goroutines.
const maxOutput = 64 << 10

// The limits that a compilation can hit.
var (
	ErrTime   = errors.New("it takes too long")
	ErrMemory = errors.New("it takes too much memory")
)

// An InvalidError says that the compiler refuses the module.
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return e.Reason }

// A CrashError says that the compiler did not survive the module. Output is what it left.
type CrashError struct{ State, Output string }

func (e *CrashError) Error() string { return "the compiler crashed: " + e.State }

// Limits bound a compilation.
type Limits struct {
	Time  time.Duration
	Bytes uint64 // of memory
}

// Program is the file that a compiler executes: this program. Tests alone put another in its place, see package compilertest.
var Program = self

// Compile compiles the module and puts the machine code into dir, as a cache of wazero's. The end of ctx ends it.
func Compile(ctx context.Context, module []byte, dir string, l Limits) error {
	path, err := Program()
	if err != nil {
		return fmt.Errorf("start a compiler: %w", err)
	}
	var output head
	ctx, cancel := context.WithTimeoutCause(ctx, l.Time, ErrTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.Args = []string{name, dir, strconv.FormatUint(l.Bytes, 10), l.Time.String()}
	cmd.Env = []string{}
	cmd.Stdin, cmd.Stderr = bytes.NewReader(module), &output
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err != nil {
			err = fmt.Errorf("start a compiler: %w", err)
		}
		return err
	}
	text := strings.TrimSpace(output.String())
	switch exit.ExitCode() {
	case exitInvalid:
		return &InvalidError{text}
	case exitIO:
		return errors.New(text)
	case exitTime:
		return ErrTime
	case exitMemory:
		return ErrMemory
	}
	if strings.Contains(text, "out of memory") || strings.Contains(text, "cannot allocate memory") {
		return ErrMemory // the system's own limit was quicker
	}
	return &CrashError{State: exit.String(), Output: text}
}

// self is this program, on Linux also if its file has been replaced or removed.
func self() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// head keeps the beginning of what is written to it.
type head struct{ bytes.Buffer }

func (h *head) Write(b []byte) (int, error) {
	h.Buffer.Write(b[:min(len(b), maxOutput-h.Len())])
	return len(b), nil
}
