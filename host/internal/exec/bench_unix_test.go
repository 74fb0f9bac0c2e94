//go:build unix

package exec

import (
	osexec "os/exec"
	"testing"

	"github.com/provisor/provisor/abi"
)

// BenchmarkRun compares a run of the smallest program with the standard library's own.
func BenchmarkRun(b *testing.B) {
	b.Run("exec", func(b *testing.B) {
		p := Program{Path: "/bin/sh", Args: []string{"-c", ":"}, Dir: b.TempDir()}
		buf := make([]byte, 1024)
		for b.Loop() {
			pr, err := Start(p)
			if err != nil {
				b.Fatal(err)
			}
			for s := abi.Stdout; s != abi.Ended; {
				if s, _, err = pr.Read(b.Context(), buf, -1); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := pr.Wait(b.Context()); err != nil {
				b.Fatal(err)
			}
			if err := pr.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("os/exec", func(b *testing.B) {
		dir := b.TempDir()
		for b.Loop() {
			cmd := osexec.Command("/bin/sh", "-c", ":")
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatal(err, string(out))
			}
		}
	})
}

// BenchmarkOutput measures how fast output comes through.
func BenchmarkOutput(b *testing.B) {
	const size = 64 << 20
	b.SetBytes(size)
	buf := make([]byte, 64<<10)
	dir := b.TempDir()
	for b.Loop() {
		pr, err := Start(Program{Path: "/bin/sh", Args: []string{"-c", "head -c 67108864 /dev/zero"}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		total := 0
		for {
			s, n, err := pr.Read(b.Context(), buf, -1)
			if err != nil {
				b.Fatal(err)
			}
			if s == abi.Ended {
				break
			}
			total += n
		}
		if total != size {
			b.Fatal(total)
		}
		if err := pr.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
