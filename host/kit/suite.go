package kit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client/template"
	"github.com/provisor/provisor/proto/guestpb"
)

// suite is a run of the cases over one plugin.
type suite struct {
	options  Options
	manifest *guestpb.Manifest
	digest   string
	// problem is why the plugin can't be loaded, or nil.
	problem error
	// good is the archive of the template.
	good []byte
	// data is the directory of the runtimes' sessions.
	data     string
	watch    *watch
	runtimes map[variant]*host.Runtime
	// normal is what the plugin answers to the template when nothing is special; nil = it was not asked yet.
	normal *baseline
}

// variant is a kind of host that the plugin is tried on.
type variant struct {
	fresh          bool
	memoryBytes    uint64
	requestTimeout time.Duration
}

// check is a case while it runs.
type check struct {
	*suite
	ctx      context.Context
	failures []string
	skipped  string
}

// errorf notes a failure; the case goes on.
func (c *check) errorf(format string, args ...any) {
	c.failures = append(c.failures, fmt.Sprintf(format, args...))
}

// run runs one case.
func (s *suite) run(ctx context.Context, k caseOf) Result {
	if s.options.Started != nil {
		s.options.Started(k.Case)
	}
	began := time.Now()
	c := &check{suite: s, ctx: ctx}
	if s.problem != nil && k.needsPlugin {
		c.skipped = "the plugin can't be loaded"
	} else {
		k.check(c)
	}
	result := Result{Case: k.Case, Outcome: Passed, Duration: time.Since(began)}
	switch {
	case len(c.failures) > 0:
		result.Outcome, result.Text = Failed, strings.Join(c.failures, "\n")
	case c.skipped != "":
		result.Outcome, result.Text = Skipped, c.skipped
	}
	if s.options.Ended != nil && ctx.Err() == nil {
		s.options.Ended(result)
	}
	return result
}

// runtime is the host of that variant, made where there is none yet.
func (s *suite) runtime(ctx context.Context, v variant) (*host.Runtime, error) {
	if v.requestTimeout == 0 {
		v.requestTimeout = s.options.RequestTimeout
	}
	if rt := s.runtimes[v]; rt != nil {
		return rt, nil
	}
	o := s.options
	rt, err := host.New(ctx, host.Options{
		Plugin: o.Plugin, Engine: o.Engine, Mirror: o.Mirror, CacheDir: o.CacheDir, DataDir: filepath.Join(s.data, fmt.Sprint(len(s.runtimes))),
		RequestTimeout: v.requestTimeout, GracePeriod: o.GracePeriod, Concurrency: sessionsAtOnce, MemoryBytes: v.memoryBytes, FreshInstances: v.fresh,
		Log: s.watch.logger(), Progress: o.Progress,
	})
	if err == nil {
		s.runtimes[v] = rt
	}
	return rt, err
}

func (s *suite) close() error {
	var errs []error
	for _, rt := range s.runtimes {
		errs = append(errs, rt.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(s.data))...)
}

// template is the archive that the plugin is given.
func (s *suite) template() ([]byte, error) {
	if s.options.Template == "" {
		return emptyArchive(), nil
	}
	return template.Pack(s.options.Template, template.Options{})
}

// demands says whether the request must succeed: there is a template for it, and the manifest lists it.
func (s *suite) demands(kind string) bool {
	return s.options.Template != "" && slices.Contains(s.manifest.GetRequests(), kind)
}
