// Package kit is the conformance kit for plugins: it drives a plugin through the whole contract with its host, over the real runtime, and
// reports case by case. An author runs it by "provisor plugin test" or, in a Go test, by Test.
package kit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/sandbox"
)

// Options of a run.
type Options struct {
	// Plugin is a .wasm file, or the directory of a Go plugin, which is built first.
	Plugin string
	// Template is the directory of a template that the plugin takes: with it, the requests that the manifest lists must succeed,
	// and are in the middle of their work when they are canceled. Empty = the directory "example" beside the source of a Go
	// plugin; where there is none, an empty template, of which nothing is demanded but answers.
	Template string
	// Engine, Mirror and CacheDir are as in host.Options.
	Engine, Mirror, CacheDir string
	// RequestTimeout is the longest that a request may take; one that takes longer has failed. 0 = 2 minutes.
	RequestTimeout time.Duration
	// GracePeriod is how long the plugin may take to answer after a cancel, once its programs have ended. 0 = 10 seconds.
	GracePeriod time.Duration
	// Run says which cases to run; nil = all.
	Run func(Case) bool
	// Started and Ended are told of each case as it begins and ends; nil = nobody.
	Started func(Case)
	Ended   func(Result)
	// Progress is told of what takes longer than a second before the first case, such as compiling. nil = nobody.
	Progress io.Writer
	// Log gets the runtime's log; nil = nobody.
	Log *slog.Logger
}

// Case is one thing that a plugin must do.
type Case struct {
	// Name is made of lower-case words, with a slash between a group and its member: "cancel/plan".
	Name string
	// Proves says what is known of a plugin that passes.
	Proves string
}

// Outcome is how a case ended.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
)

// Result is what came of a case.
type Result struct {
	Case
	Outcome Outcome
	// Text says what is wrong, or why the case was skipped; several lines if it must.
	Text     string
	Duration time.Duration
}

// Report is what came of a run.
type Report struct {
	// Plugin and Version are the manifest's; empty where there is none. Digest is the SHA-256 of the file, in hexadecimal.
	Plugin, Version, Digest string
	Began                   time.Time
	Results                 []Result
}

// Count is how many cases had that outcome.
func (r *Report) Count(o Outcome) int {
	n := 0
	for _, result := range r.Results {
		if result.Outcome == o {
			n++
		}
	}
	return n
}

// Run runs the cases one after the other. An error means that they could not be run, be it that ctx ended; what the plugin does wrong is
// in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	s, err := newSuite(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("test the plugin %s: %w", o.Plugin, err)
	}
	report := &Report{Plugin: s.manifest.GetName(), Version: s.manifest.GetVersion(), Digest: s.digest, Began: time.Now()}
	for _, c := range cases {
		if o.Run != nil && !o.Run(c.Case) {
			continue
		}
		result := s.run(ctx, c)
		if ctx.Err() != nil {
			err = fmt.Errorf("test the plugin %s: %s: %w", o.Plugin, c.Name, context.Cause(ctx))
			break
		}
		report.Results = append(report.Results, result)
	}
	return report, errors.Join(err, s.close())
}

// Cases lists the cases in the order in which they are run.
func Cases() []Case {
	var out []Case
	for _, c := range cases {
		out = append(out, c.Case)
	}
	return out
}

// newSuite builds the plugin if it must be, and looks at it.
func newSuite(ctx context.Context, o Options) (_ *suite, err error) {
	o, err = o.withDefaults(ctx)
	if err != nil {
		return nil, err
	}
	s := &suite{options: o, watch: newWatch(o.Log), runtimes: make(map[variant]*host.Runtime)}
	inspector, err := sandbox.New(ctx, sandbox.Options{CacheDir: host.CompiledDir(o.CacheDir)})
	if err != nil {
		return nil, err
	}
	defer inspector.Close(ctx)
	found, err := plugin.Inspect(ctx, inspector, o.Plugin)
	if err != nil {
		return nil, err
	}
	s.manifest, s.digest, s.problem = found.Manifest, found.Digest, found.Problem
	if s.good, err = s.template(); err != nil {
		return nil, err
	}
	if s.data, err = os.MkdirTemp("", "provisor-kit-"); err != nil {
		return nil, err
	}
	if s.problem == nil {
		// Without an engine or a directory for sessions no case would say anything about the plugin.
		if _, err := s.runtime(ctx, variant{}); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func (o Options) withDefaults(ctx context.Context) (_ Options, err error) {
	if o.RequestTimeout == 0 {
		o.RequestTimeout = 2 * time.Minute
	}
	if o.GracePeriod == 0 {
		o.GracePeriod = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.CacheDir == "" {
		if o.CacheDir, err = host.DefaultCacheDir(); err != nil {
			return o, err
		}
	}
	info, err := os.Stat(o.Plugin)
	if err != nil || !info.IsDir() {
		return o, err
	}
	if example := filepath.Join(o.Plugin, exampleDir); o.Template == "" && isDir(example) {
		o.Template = example
	}
	o.Plugin, err = plugin.BuildCached(ctx, o.Plugin, plugin.BuildOptions{CacheDir: o.CacheDir, Progress: o.Progress})
	return o, err
}

// exampleDir is where a Go plugin has a template to show, beside its source.
const exampleDir = "example"

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
