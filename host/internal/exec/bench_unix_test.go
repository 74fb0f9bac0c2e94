//go:build unix

package exec

import (
	osexec "os/exec"
	"testing"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/exec/jail"
)

// BenchmarkRun compares a run of the smallest program, bare and jailed, with the standard library's own.
func BenchmarkRun(b *testing.B) {
	j, err := jail.New(jail.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for name, j := range map[string]*jail.Jail{"exec": nil, "jail": j} {
		b.Run(name, func(b *testing.B) {
			p := Program{Path: "/bin/sh", Args: []string{"-c", ":"}, Dir: b.TempDir(), Jail: j}
			p.Cell.Write = []string{p.Dir}
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
	}
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
