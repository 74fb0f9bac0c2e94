package exec

import (
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/exec/jail"
)

// BenchmarkEngine compares runs of the real engine, bare and in the whole jail in turn, with a user of its own too where this one is root: the
// medians in milliseconds, and what the jail adds to them, also in processor time, which a busy machine changes less.
//
//	go test -run - -bench Engine -benchtime 100x ./host/internal/exec
func BenchmarkEngine(b *testing.B) {
	terraform, err := osexec.LookPath("terraform")
	if err == nil {
		terraform, err = filepath.EvalSymlinks(terraform)
	}
	if err != nil {
		b.Skip(err)
	}
	o := jail.Options{}
	if os.Getuid() == 0 {
		o.User = 212345
	}
	j, err := jail.New(o)
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range j.Report() {
		b.Logf("%s: %s", s.Layer, s.State)
	}
	const template = `variable "n" {
  default = 3
}
resource "terraform_data" "a" {
  count = var.n
  input = "value ${count.index}"
}
`
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(template), 0o644); err != nil {
		b.Fatal(err)
	}
	if err := os.Chown(dir, max(o.User, os.Getuid()), -1); err != nil {
		b.Fatal(err)
	}
	for _, args := range [][]string{{"version"}, {"plan", "-input=false", "-lock=false"}} {
		b.Run(args[0], func(b *testing.B) {
			p := Program{Path: terraform, Args: args, Env: []string{"HOME=" + dir, "CHECKPOINT_DISABLE=1"}, Dir: dir, ExitTimeout: time.Second}
			jailed := p
			jailed.Jail = j
			jailed.Cell = jail.Cell{Execute: []string{terraform}, Write: []string{dir}, User: o.User, FileSize: 1 << 30, Memory: 4 << 30, Processes: 2048}
			var bare, within, bareCPU, withinCPU []time.Duration
			for b.Loop() {
				took, cpu := timed(b, p)
				bare, bareCPU = append(bare, took), append(bareCPU, cpu)
				took, cpu = timed(b, jailed)
				within, withinCPU = append(within, took), append(withinCPU, cpu)
			}
			without, with := median(bare), median(within)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(millis(without), "bare-ms")
			b.ReportMetric(millis(with), "jailed-ms")
			b.ReportMetric(millis(with-without), "added-ms")
			b.ReportMetric(millis(median(withinCPU)-median(bareCPU)), "added-cpu-ms")
		})
	}
}

// timed is how long a run takes, until all of it is gone, and how much processor time.
func timed(b *testing.B, p Program) (took, cpu time.Duration) {
	began, before := time.Now(), childrenCPU(b)
	pr, err := Start(p)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	for s := abi.Stdout; s != abi.Ended; {
		if s, _, err = pr.Read(b.Context(), buf, -1); err != nil {
			b.Fatal(err)
		}
	}
	result, err := pr.Wait(b.Context())
	if err != nil || result.GetExitCode() != 0 {
		b.Fatal(result, err)
	}
	if err := pr.Close(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began), childrenCPU(b) - before
}

// childrenCPU is the processor time of all that has ended, supervisors with their programs among them.
func childrenCPU(b *testing.B) time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
