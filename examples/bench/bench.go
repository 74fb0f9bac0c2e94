package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/provisor/provisor/examples/bench/internal/report"
	"github.com/provisor/provisor/host"
)

// bench is what the sections share.
type bench struct {
	quick    bool
	scale    float64
	progress io.Writer
	// repo is the checkout of Provisor that is measured, provisor its command, engine the engine.
	repo, provisor, engine string
	// dir is removed in the end; mirror is a directory of providers, cache keeps what peers compiled.
	dir, mirror, cache string
}

const (
	coderProvider = "github.com/coder/terraform-provider-coder/v2@v2.20.0"
	coderAddress  = "coder/coder"
)

// newBench makes what is measured: the command, and the provider that the templates use.
func newBench(ctx context.Context, engine string, quick bool, scale float64, progress io.Writer) (_ *bench, err error) {
	b := &bench{quick: quick, scale: scale, progress: progress}
	if b.engine, err = exec.LookPath(engine); err != nil {
		return nil, fmt.Errorf("engine: %w; name one by --engine", err)
	}
	repo, err := b.command(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/provisor/provisor")
	if err != nil {
		return nil, err
	}
	b.repo = strings.TrimSpace(repo)
	// Short: sockets are below it.
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	b.provisor = filepath.Join(b.dir, "provisor")
	b.say("building provisor and, the first time, the provider %s ...", coderAddress)
	// As the project's image has it.
	if _, err := b.command(ctx, b.repo, "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.provisor, "./host/cmd/provisor"); err != nil {
		return nil, err
	}
	if _, err := b.command(ctx, "", b.provisor, "mirror", "add", coderProvider, "--as", coderAddress); err != nil {
		return nil, err
	}
	cache, err := host.DefaultCacheDir()
	if err != nil {
		return nil, err
	}
	b.mirror, b.cache = filepath.Join(cache, "mirror"), filepath.Join(cache, "bench")
	return b, nil
}

func (b *bench) close() error { return os.RemoveAll(b.dir) }

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.progress, format+"\n", args...) }

// samples is how many samples to take: so many as a whole run takes, or in a quick run the second number.
func (b *bench) samples(full, quick int) int {
	if b.quick {
		return quick
	}
	return max(1, int(math.Round(float64(full)*b.scale)))
}

// writePages writes results into the project's pages, and the curves beside the bench's.
func (b *bench) writePages(r report.Report) error {
	dir := filepath.Join(b.repo, "examples", "bench")
	if err := r.WritePlots(filepath.Join(dir, "results")); err != nil {
		return err
	}
	if err := report.Insert(filepath.Join(dir, "README.md"), r.Preface+"\n\n"+r.Goals()+"\n"+r.Details("###", "results/")); err != nil {
		return err
	}
	return report.Insert(filepath.Join(b.repo, "README.md"), r.Preface+"\n\n"+r.Goals())
}

// command runs a program to its end and returns its output.
func (b *bench) command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, stderr.String(), out)
	}
	return string(out), nil
}

// terraformPlugin is the directory of the plugin that provisions.
func (b *bench) terraformPlugin() string { return filepath.Join(b.repo, "plugins", "terraform") }

// newRuntime is a runtime in this process.
func (b *bench) newRuntime(ctx context.Context, o host.Options) (*host.Runtime, error) {
	o.Progress = b.progress
	dir, err := os.MkdirTemp(b.dir, "data")
	if err != nil {
		return nil, err
	}
	o.DataDir = dir
	return host.New(ctx, o)
}

// preface says on what the results were measured, and by which command.
func (b *bench) preface(args []string) string {
	engine, _ := b.command(context.Background(), b.dir, b.engine, "version")
	engine, _, _ = strings.Cut(engine, "\n")
	quick := ""
	if b.quick {
		quick = " A quick run: these numbers say nothing."
	}
	return fmt.Sprintf("`go run . %s` in `examples/bench`, on %s with %d cores, %s/%s, %s, %s.%s",
		strings.Join(args, " "), cpuName(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), engine, quick)
}

func cpuName() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return "an unknown processor"
}
