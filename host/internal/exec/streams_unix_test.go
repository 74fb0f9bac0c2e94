//go:build unix

package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/provisor/provisor/abi"
)

func TestEachStreamKeepsItsOrder(t *testing.T) {
	const lines = 20000
	p := start(t, shell(t, `i=0; while [ $i -lt `+strconv.Itoa(lines)+` ]; do echo o$i; echo e$i >&2; i=$((i+1)); done`))
	stdout, stderr, err := readAll(t, p, 777)
	if err != nil {
		t.Fatal(err)
	}
	var want [2]strings.Builder
	for i := range lines {
		fmt.Fprintf(&want[0], "o%d\n", i)
		fmt.Fprintf(&want[1], "e%d\n", i)
	}
	if stdout != want[0].String() || stderr != want[1].String() {
		t.Errorf("got %d and %d bytes, want %d and %d in order", len(stdout), len(stderr), want[0].Len(), want[1].Len())
	}
}

// What comes line by line is not passed on line by line.
func TestOutputIsGathered(t *testing.T) {
	const lines = 2000
	began := time.Now()
	p := start(t, shell(t, `i=0; while [ $i -lt `+strconv.Itoa(lines)+` ]; do echo x; i=$((i+1)); done`))
	reads := 0
	for buf := make([]byte, 32<<10); ; reads++ {
		s, _, err := p.Read(t.Context(), buf, -1)
		if err != nil {
			t.Fatal(err)
		}
		if s == abi.Ended {
			break
		}
	}
	if most := int(2*time.Since(began)/gather) + 2; reads > most {
		t.Errorf("%d lines were read in %d pieces, want at most %d", lines, reads, most)
	}
}

func TestProgramWaitsForItsReader(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "written")
	p := start(t, shell(t, `head -c 4000000 /dev/zero; echo yes > `+marker))
	time.Sleep(300 * time.Millisecond)
	if fileExists(marker) {
		t.Fatal("4 MB were taken from the program while nobody read")
	}
	stdout, _, err := readAll(t, p, 64<<10)
	if err != nil || len(stdout) != 4000000 {
		t.Fatalf("got %d bytes, %v", len(stdout), err)
	}
}

func TestReadTimeout(t *testing.T) {
	p := start(t, shell(t, "read line; echo $line", func(p *Program) { p.Stdin = true }))
	buf := make([]byte, 10)
	for _, timeout := range []time.Duration{0, 30 * time.Millisecond} {
		began := time.Now()
		if s, n, err := p.Read(t.Context(), buf, timeout); s != abi.TimedOut || n != 0 || err != nil {
			t.Errorf("timeout %v: got %v, %d, %v", timeout, s, n, err)
		}
		if took := time.Since(began); took < timeout || took > timeout+5*time.Second {
			t.Errorf("timeout %v took %v", timeout, took)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, _, err := p.Read(ctx, buf, -1); abi.ErrnoOf(err) != abi.Canceled || !errors.Is(err, context.Canceled) {
		t.Errorf("read with an ended context: %v", err)
	}
	if _, err := p.Wait(ctx); abi.ErrnoOf(err) != abi.Canceled {
		t.Errorf("wait with an ended context: %v", err)
	}
	if _, _, err := p.Read(t.Context(), nil, 0); abi.ErrnoOf(err) != abi.Invalid {
		t.Errorf("read into nothing: %v", err)
	}
	if _, err := p.Write([]byte("late\n")); err != nil {
		t.Fatal(err)
	}
	if stdout, _, err := readAll(t, p, 3); stdout != "late\n" || err != nil {
		t.Errorf("got %q, %v", stdout, err)
	}
	for range 2 {
		if s, n, err := p.Read(t.Context(), buf, 0); s != abi.Ended || n != 0 || err != nil {
			t.Errorf("after the end: got %v, %d, %v", s, n, err)
		}
	}
}

func TestStdin(t *testing.T) {
	p := start(t, shell(t, "cat", func(p *Program) { p.Stdin = true }))
	sent := bytes.Repeat([]byte("0123456789abcde\n"), 100_000)
	var got bytes.Buffer
	buf := make([]byte, 32<<10)
	full := false
	for rest := sent; ; {
		n, err := p.Write(rest)
		if err != nil {
			t.Fatal(err)
		}
		full = full || n < len(rest)
		if rest = rest[n:]; len(rest) == 0 {
			break
		}
		s, n, err := p.Read(t.Context(), buf, 10*time.Millisecond)
		if err != nil || s == abi.Ended {
			t.Fatal(s, err)
		}
		got.Write(buf[:n])
	}
	if !full {
		t.Error("1.6 MB of input were taken at once")
	}
	if err := p.CloseStdin(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write([]byte("more")); abi.ErrnoOf(err) != abi.WrongState {
		t.Errorf("write after close: %v", err)
	}
	stdout, _, err := readAll(t, p, 32<<10)
	if err != nil || got.String()+stdout != string(sent) {
		t.Errorf("the program echoed %d bytes of %d, %v", got.Len()+len(stdout), len(sent), err)
	}
	if r := wait(t, p); r.ExitCode != 0 {
		t.Errorf("got %v", r)
	}
}

func TestStdinThatNobodyReads(t *testing.T) {
	p := start(t, shell(t, "exec <&-; echo closed; exec sleep 60", func(p *Program) { p.Stdin = true }))
	if s, _, err := p.Read(t.Context(), make([]byte, 100), -1); s != abi.Stdout || err != nil {
		t.Fatal(s, err)
	}
	var err error
	for range 500 {
		if _, err = p.Write([]byte("x")); err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if abi.ErrnoOf(err) != abi.IO || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to a program that closed its input: %v", err)
	}
	without := start(t, shell(t, ":"))
	if _, err := without.Write([]byte("x")); abi.ErrnoOf(err) != abi.WrongState {
		t.Errorf("write without stdin: %v", err)
	}
	if err := without.CloseStdin(); abi.ErrnoOf(err) != abi.WrongState {
		t.Errorf("close without stdin: %v", err)
	}
}

func TestOutputLimit(t *testing.T) {
	dir := t.TempDir()
	p := start(t, shell(t, `echo $$ > `+dir+`/pid; while :; do echo 0123456789; echo 0123456789 >&2; done`, func(p *Program) { p.OutputLimit = 100_000 }))
	stdout, stderr, err := readAll(t, p, 1000)
	if len(stdout)+len(stderr) != 100_000 {
		t.Errorf("got %d bytes", len(stdout)+len(stderr))
	}
	want := "output of /bin/sh: more than 100000 bytes, the limit of one run (raise the setting output_bytes): limit exceeded"
	if err == nil || err.Error() != want || abi.ErrnoOf(err) != abi.Limit {
		t.Errorf("got error %v", err)
	}
	if _, _, again := p.Read(t.Context(), make([]byte, 10), 0); abi.ErrnoOf(again) != abi.Limit {
		t.Errorf("a second time: %v", again)
	}
	if r := wait(t, p); r.KilledBy != "limit" || r.Signal != "killed" {
		t.Errorf("got %v", r)
	}
	if underJail == nil && alive(pidFrom(t, dir+"/pid")) { // in a jail, the number is another process's out here
		t.Error("it survived")
	}
	exact := start(t, shell(t, "printf 12345", func(p *Program) { p.OutputLimit = 5 }))
	if stdout, _, err := readAll(t, exact, 10); stdout != "12345" || err != nil {
		t.Errorf("exactly the limit: %q, %v", stdout, err)
	}
}
