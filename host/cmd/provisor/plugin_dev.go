package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/client/template"
	"github.com/provisor/provisor/host/internal/report"
	"github.com/provisor/provisor/host/internal/watchdir"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func pluginDevCommand() *cli.Command {
	return &cli.Command{
		Name:      "dev",
		Category:  categoryAuthors,
		Usage:     "rebuild a Go plugin whenever it is saved, and plan a template with it",
		ArgsUsage: "[DIR]",
		Description: "Watches the plugin in DIR (default: this directory) and a template. On each change the plugin is built again and plans the\n" +
			"template in a new session, whose log is shown; a plan that still runs is canceled first. Nothing is applied. Ends with an\n" +
			"interrupt.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "template", Usage: "plan the template in `DIR` (default: the directory \"example\" in the plugin's)"},
			&cli.StringFlag{Name: "engine", EnvVars: []string{"PROVISOR_ENGINE"}, Usage: "run Terraform or OpenTofu at `PATH` (default: terraform, then tofu on the PATH, then an OpenTofu built with Go)"},
			&cli.StringFlag{Name: "mirror", EnvVars: []string{"PROVISOR_MIRROR"}, Usage: "take providers from the mirror in `DIR` first"},
			&cli.StringFlag{Name: "data-dir", EnvVars: []string{"PROVISOR_DATA_DIR"}, Usage: "keep the directories of running sessions in `DIR` (default: provisor in the user's state directory)"},
			cacheDirFlag(),
		},
		Action: pluginDev,
	}
}

func pluginDev(c *cli.Context) error {
	dir, err := argumentOrHere(c, "DIR")
	if err != nil {
		return err
	}
	d := &development{printer: report.New(os.Stdout), template: c.String("template")}
	if d.template == "" {
		d.template = filepath.Join(dir, "example")
	}
	for _, dir := range []string{dir, d.template} {
		if err := checkDir(dir); err != nil {
			return err
		}
	}
	d.options = runtimeOptions(c)
	d.options.Plugin = dir
	return d.run(c.Context)
}

// development plans a template with a plugin again and again.
type development struct {
	options  host.Options
	template string
	printer  *report.Printer
}

// run goes on until ctx ends.
func (d *development) run(ctx context.Context) (err error) {
	built := func(name string) bool { return strings.HasSuffix(name, ".wasm") || strings.HasSuffix(name, "~") }
	watcher, err := watchdir.New(built, d.options.Plugin, d.template)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, watcher.Close()) }()
	for {
		changed := d.attempt(ctx, watcher.Changes())
		if !changed {
			d.printer.Line("Waiting for changes in %s and %s.", d.options.Plugin, d.template)
			select {
			case <-ctx.Done():
				return nil
			case <-watcher.Changes():
			}
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// attempt plans once. A change ends it early.
func (d *development) attempt(ctx context.Context, changes <-chan struct{}) (changed bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- d.plan(ctx) }()
	var err error
	select {
	case err = <-done:
	case <-changes:
		changed = true
		cancel()
		err = <-done
	}
	if err != nil && ctx.Err() == nil {
		d.printer.Line("%v", err)
	}
	return changed
}

// plan builds the plugin and has it plan the template.
func (d *development) plan(ctx context.Context) (err error) {
	archive, err := template.Pack(d.template, template.Options{
		MaxBytes: maxArchive,
		Warn:     func(text string) { d.printer.Log(&pb.Log{Level: pb.LogLevel_WARN, Output: text}) },
	})
	if err != nil {
		return err
	}
	runtime, err := host.New(ctx, d.options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, runtime.Close()) }()
	// A cancel is sent and its answer waited for; what the session runs under ends with it.
	local := client.InProcess(context.WithoutCancel(ctx), func(ctx context.Context, s client.Stream) error {
		return runtime.Session(ctx, host.DefaultTenant, s)
	})
	defer local.Close()
	session := client.NewSession(local)
	if err := session.Configure(&pb.Config{}); err != nil {
		return err
	}
	return d.ask(ctx, session, archive)
}

func (d *development) ask(ctx context.Context, session *client.Session, archive []byte) error {
	metadata := defaultMetadata(d.template)
	for _, step := range []struct {
		name    step
		request *pb.Request
	}{
		{stepInit, &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: archive, OmitModuleFiles: true}}}},
		{stepParse, &pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}}},
		{stepPlan, &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{Metadata: metadata}}}},
		{stepGraph, &pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{Metadata: metadata, Source: pb.GraphSource_SOURCE_PLAN}}}},
	} {
		d.printer.Start(string(step.name))
		response, err := session.Do(ctx, step.request, d.printer.Log)
		if err != nil {
			d.printer.Done("the session broke off")
			return err
		}
		failure := client.ErrorOf(response)
		d.printer.Done(failure)
		if failure != "" {
			return fmt.Errorf("the %s failed", step.name)
		}
		if step.name == stepGraph {
			d.printer.Resources(response.GetGraph())
		}
	}
	return nil
}
