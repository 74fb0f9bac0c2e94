package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// script runs the engine the plain way: one run after the other, in a directory of its own.
type script struct {
	*bench
	template string
	dir      string
}

// newScript lays the template into a new directory.
func (b *bench) newScript(template string) (*script, error) {
	dir, err := b.templateDir(template)
	return &script{b, template, dir}, err
}

func (s *script) close() error { return os.RemoveAll(s.dir) }

// run runs the engine and returns its standard output.
func (s *script) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, s.engine, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.bench.dir, "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=" + s.cliConfig()}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out, nil
}

// cliConfig is a file that makes the engine take providers from the mirror.
func (b *bench) cliConfig() string { return filepath.Join(b.dir, "cli.tfrc") }

func (b *bench) writeCLIConfig() error {
	return os.WriteFile(b.cliConfig(), fmt.Appendf(nil, "provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", b.mirror), 0o600)
}

// The engine runs of a session. Ten for a plan and its graph is what a provisioner makes that looks up the engine's version whenever it
// needs it, and shows the plan once for the plan and once for the graph.
var (
	versionRun   = []string{"version", "-json"}
	initRun      = []string{"init", "-no-color", "-input=false", "-json"}
	planRun      = []string{"plan", "-no-color", "-input=false", "-json", "-refresh=true", "-out=terraform.tfplan"}
	applyRun     = []string{"apply", "-no-color", "-auto-approve", "-input=false", "-json", "terraform.tfplan"}
	showPlanRun  = []string{"show", "-no-color", "-json", "terraform.tfplan"}
	showStateRun = []string{"show", "-no-color", "-json"}
	graphRun     = []string{"graph", "-no-color", "-type=plan"}
)

var (
	parseRuns = [][]string{versionRun, initRun}
	planRuns  = [][]string{versionRun, versionRun, initRun, versionRun, planRun, showPlanRun, versionRun, showPlanRun, versionRun, graphRun}
	applyRuns = append(planRuns[:7:7], applyRun, versionRun, showStateRun, graphRun)
	// ownPlanRuns are those that Provisor makes for a plan and its graph, where the engine makes that.
	ownPlanRuns = [][]string{initRun, planRun, showPlanRun, graphRun}
)

// play runs the engine with each of the arguments, and returns the last output.
func (s *script) play(ctx context.Context, runs [][]string) (out []byte, err error) {
	for _, args := range runs {
		if out, err = s.run(ctx, args...); err != nil {
			return nil, err
		}
	}
	return out, nil
}
