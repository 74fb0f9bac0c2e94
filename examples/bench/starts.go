package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/provisor/provisor/examples/bench/internal/parse"
	"github.com/provisor/provisor/examples/bench/internal/peers"
	"github.com/provisor/provisor/examples/bench/internal/report"
	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/client/template"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Names of what is compared, of those that have goals.
const (
	ours              = "Provisor"
	ourSession        = "Provisor, a whole session"
	extismWithTimeout = "Extism with a timeout"
	goPlugin          = "a process per plugin (hashicorp/go-plugin)"
)

// startsInARow is how many starts a variant makes before it is another's turn.
const startsInARow = 11

// starter starts the comparison's plugin from nothing but compiled code and has it parse.
type starter struct {
	name string
	// prepare, if there is one, does what is not measured, before each start.
	prepare func(context.Context) error
	// start returns how to free what it started.
	start func(context.Context) (answer *pb.ParseComplete, stop func(), err error)
}

func starts(ctx context.Context, b *bench) (_ report.Section, err error) {
	dir, err := os.MkdirTemp(b.dir, "template")
	if err != nil {
		return report.Section{}, err
	}
	if err := os.WriteFile(filepath.Join(dir, parse.FileName), []byte(parse.Template), 0o600); err != nil {
		return report.Section{}, err
	}
	starters, free, err := b.starters(ctx, dir)
	defer func() { err = errors.Join(err, free()) }()
	if err != nil {
		return report.Section{}, err
	}
	samples := make([]report.Samples, len(starters))
	for range b.samples(20, 1) {
		for i := range starters {
			runtime.GC()
			for n := range startsInARow {
				took, err := timeStart(ctx, starters[i])
				if err != nil {
					return report.Section{}, err
				}
				if n > 0 {
					samples[i].Add(took)
				}
			}
		}
	}
	t := report.Table{Header: append([]string{"one start and one Parse"}, append(report.SampleHeader, "to Provisor")...)}
	for i, s := range starters {
		t.Add(append([]string{s.name}, append(samples[i].Cells(), report.Ratio(samples[i].Median(), samples[0].Median()))...)...)
	}
	medianOf := func(name string) float64 {
		return samples[slices.IndexFunc(starters, func(s starter) bool { return s.name == name })].Median()
	}
	return report.Section{
		Text: "The same Go code (HCL of two variables) in plugins of about the same size (11 MB), compiled before. The template is in its place, but for " +
			"whole sessions: those open a stream, make their directories, and extract the template in an Init before they parse it. Provisor's plugin " +
			"parses once while it initialises, as its guide advises, and so before its snapshot is taken; where there is none, that counts. " +
			fmt.Sprintf("Variants take turns of %d starts, of which the first does not count, nor does ending what was started.", startsInARow),
		Tables: []report.Table{t},
		Goals: []report.Goal{
			report.AtMost("start of a sandbox and a first small Parse, median", medianOf(ours), 3, " ms"),
			report.AtLeast("as fast as Extism with a timeout", medianOf(extismWithTimeout)/medianOf(ours), 8, "×"),
			report.AtLeast("as fast as a process per plugin", medianOf(goPlugin)/medianOf(ours), 2, "×"),
		},
	}, nil
}

// starters are all that is compared; the first is Provisor as it is by default. free is never nil.
func (b *bench) starters(ctx context.Context, dir string) (_ []starter, free func() error, err error) {
	var frees []func() error
	free = func() error {
		var errs []error
		for _, f := range slices.Backward(frees) {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	var all []starter
	for _, v := range startVariants {
		v.options.Plugin = b.comparedPlugin()
		r, err := b.newRuntime(ctx, v.options)
		if err != nil {
			return nil, free, err
		}
		frees = append(frees, r.Close)
		archive, err := template.Pack(dir, template.Options{})
		if err != nil {
			return nil, free, err
		}
		all = append(all, v.starter(r, archive, &frees))
	}
	wasm, process := filepath.Join(b.dir, "extism.wasm"), filepath.Join(b.dir, "process")
	if err := b.build(ctx, wasm, "extism", "-buildmode=c-shared"); err != nil {
		return nil, free, err
	}
	if err := b.build(ctx, process, "process"); err != nil {
		return nil, free, err
	}
	for _, v := range []struct {
		name    string
		timeout time.Duration
	}{{extismWithTimeout, time.Minute}, {"Extism without one", 0}} {
		e, err := peers.NewExtism(ctx, wasm, dir, b.cache, v.timeout)
		if err != nil {
			return nil, free, err
		}
		frees = append(frees, func() error { return e.Close(context.WithoutCancel(ctx)) })
		all = append(all, starter{name: v.name, start: e.Start})
	}
	p := peers.Process{Path: process}
	return append(all, starter{name: goPlugin, start: func(ctx context.Context) (*pb.ParseComplete, func(), error) {
		return p.Start(ctx, dir)
	}}), free, nil
}

// startVariant is a way in which Provisor can start an instance.
type startVariant struct {
	name    string
	options host.Options
	// whole is whether a session is a part of what is measured.
	whole bool
}

var startVariants = []startVariant{
	{ours, host.Options{}, false},
	{ourSession, host.Options{}, true},
	{"Provisor without snapshots", host.Options{NoSnapshots: true}, false},
	{ourSession + " without snapshots", host.Options{NoSnapshots: true}, true},
}

// starter starts in that way. What has to be freed in the end is added to frees.
func (v startVariant) starter(r *host.Runtime, archive []byte, frees *[]func() error) starter {
	if v.whole {
		return starter{name: v.name, start: func(ctx context.Context) (*pb.ParseComplete, func(), error) {
			return startSession(ctx, r, archive)
		}}
	}
	var s *client.Session
	return starter{
		name: v.name,
		prepare: func(ctx context.Context) (err error) {
			if s != nil {
				return endInstance(ctx, s)
			}
			s = openLocal(ctx, r)
			*frees = append(*frees, s.Close)
			if _, err := play(ctx, s, new(pb.Config), initRequest(archive)); err != nil {
				return err
			}
			return endInstance(ctx, s)
		},
		start: func(ctx context.Context) (*pb.ParseComplete, func(), error) {
			answer, err := s.Do(ctx, parseRequest, nil)
			return answer.GetParse(), func() {}, err
		},
	}
}

// endInstance has the session's instance end itself, as the plugin of the comparison does when it is to plan: the next request gets another.
func endInstance(ctx context.Context, s *client.Session) error {
	answer, err := s.Do(ctx, planRequest, nil)
	if err == nil && client.ErrorOf(answer) == "" {
		err = errors.New("the plugin's instance has not ended")
	}
	return err
}

func timeStart(ctx context.Context, s starter) (time.Duration, error) {
	if s.prepare != nil {
		if err := s.prepare(ctx); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	answer, stop, err := s.start(ctx)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	stop()
	return took, parse.Check(answer)
}

// startSession plays a session up to its Parse.
func startSession(ctx context.Context, r *host.Runtime, archive []byte) (*pb.ParseComplete, func(), error) {
	s := openLocal(ctx, r)
	stop := func() { _ = s.Close() }
	answer, err := play(ctx, s, new(pb.Config), initRequest(archive), parseRequest)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return answer.GetParse(), stop, nil
}

// comparedPlugin is the directory of the plugin that is compared with others.
func (b *bench) comparedPlugin() string {
	return filepath.Join(b.repo, "examples", "bench", "guests", "provisor")
}

// build builds one of the bench's guests: for WebAssembly where the file's name says so.
func (b *bench) build(ctx context.Context, out, guest string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", out}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./guests/"+guest)...)
	cmd.Dir = filepath.Join(b.repo, "examples", "bench")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if filepath.Ext(out) == ".wasm" {
		cmd.Env = append(cmd.Env, "GOOS=wasip1", "GOARCH=wasm")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the guest %s: %w\n%s", guest, err, out)
	}
	return nil
}
