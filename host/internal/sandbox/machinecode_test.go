package sandbox

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisor/provisor/host/internal/wasmtest"
)

// Of this wazero's files we know where the instructions are, and one of us notices whichever byte is another.
func TestMachineCodeIsChecked(t *testing.T) {
	p := wasmtest.NewPlugin()
	module := p.Handled(p.Respond("x"))
	dir := t.TempDir()
	newInstance(t, newRuntime(t, Options{CacheDir: dir}), module, &fakeHost{})
	path := machineCode(t, dir)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found, err := instructions(path)
	if err != nil || found.Length < int64(len(good))/2 || found.Offset < int64(len(wazeroMagic)) || found.end()+4 > int64(len(good)) {
		t.Fatalf("the instructions are %+v of %d bytes, %v", found, len(good), err)
	}
	for name, at := range map[string]int64{
		"first byte": 0, "functions": found.Offset - 9, "length": found.Offset - 1, "first instruction": found.Offset, "last instruction": found.end() - 1,
		"sum": found.end(), "last byte": int64(len(good)) - 1,
	} {
		t.Run(name, func(t *testing.T) {
			bad := bytes.Clone(good)
			bad[at] ^= 0x10
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			i := newInstance(t, newRuntime(t, Options{CacheDir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))}), module, &fakeHost{})
			if _, err := i.Handle(t.Context(), []byte("x")); err != nil {
				t.Error(err)
			}
			if !strings.Contains(log.String(), "made again") {
				t.Errorf("the log has %q", &log)
			}
		})
	}
}

// What is no such file has nothing that need not be digested.
func TestInstructionsOfOtherFiles(t *testing.T) {
	const header, rest = wazeroMagic + "\x02v1\x01\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\x00"
	const code = "\x03\x00\x00\x00\x00\x00\x00\x00abc\xb7\x3f\x4b\x36" // the CRC of "abc"
	path := filepath.Join(t.TempDir(), "file")
	of := func(content string) section {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := instructions(path)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	whole := header + code
	if got, want := of(whole+rest), (section{Offset: int64(len(header)) + 8, Length: 3}); got != want {
		t.Fatalf("the instructions are %+v, want %+v", got, want)
	}
	for n := range len(whole) {
		if got := of(whole[:n]); got != (section{}) {
			t.Errorf("cut after %d bytes: %+v", n, got)
		}
	}
	for name, content := range map[string]string{
		"another magic":      "x" + whole[1:],
		"another sum":        whole[:len(whole)-1] + "\x00",
		"too many":           wazeroMagic + "\x02v1\xff\xff\xff\xff" + whole[len(wazeroMagic)+7:],
		"too long":           header + "\xff\xff\xff\xff\xff\xff\xff\xff" + code[8:],
		"something else":     strings.Repeat("x", 100),
		"a version too long": wazeroMagic + "\xff" + whole[len(wazeroMagic)+1:],
	} {
		if got := of(content); got != (section{}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
