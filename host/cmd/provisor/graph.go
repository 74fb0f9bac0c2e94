package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/provisor/provisor/host/internal/drawing"
	"github.com/provisor/provisor/host/internal/report"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// graphWorkflow is a plan. Nothing of a session is said on the standard output, which is the drawing's.
var graphWorkflow = workflow{
	name:       "graph",
	usage:      "draw a template: its resources with their agents and apps, and what depends on what",
	steps:      []step{stepInit, stepPlan, stepGraph},
	transition: pb.WorkspaceTransition_START,
}

// graphFormats are what --format takes; the first is the default.
var graphFormats = []string{"svg", "dot", "mermaid", "json"}

func graphCommand(signals *signals) *cli.Command {
	flags := append(runtimeFlags(), sessionFlags()...)
	flags = append(flags, templateFlags()...)
	flags = append(flags,
		&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Category: categoryOutput, Value: graphFormats[0], Usage: "print `FORMAT`: svg is a picture for a browser, dot is for Graphviz, mermaid for Markdown, json the answer to the Graph request, without dependencies"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: categoryOutput, Usage: "write to `FILE` instead of the standard output"},
	)
	return &cli.Command{
		Name:      graphWorkflow.name,
		Usage:     graphWorkflow.usage,
		ArgsUsage: "DIR",
		Description: "The template is planned, with the same parameters and variables as \"provisor plan\" takes, in a runtime of this command's own;\n" +
			"nothing is changed. Messages go to the standard error.",
		Category: "Templates",
		Flags:    flags,
		Action:   func(c *cli.Context) error { return runGraph(c, signals) },
	}
}

func runGraph(c *cli.Context, signals *signals) error {
	format := c.String("format")
	if !slices.Contains(graphFormats, format) {
		return usagef("--format %s: want one of %s", format, strings.Join(graphFormats, ", "))
	}
	j, err := newJob(c, graphWorkflow)
	if err != nil {
		return err
	}
	ctx := signals.context
	if j.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, j.timeout)
		defer cancel()
	}
	r := &runner{job: j, printer: report.New(os.Stderr), quiet: true}
	// The runtime has ended when the job has: nothing writes to dot any more.
	var dot []byte
	options := runtimeOptions(c)
	options.Log = runtimeLog(c, r.printer)
	options.Dependencies = func(printed []byte) { dot = printed }
	options.PluginSettings["terraform_graph"] = "engine" // its own graph is what is shown
	if err := r.run(ctx, func() (*connection, error) { return connectLocal(options, signals) }); err != nil {
		return ending(ctx, j, signals, err)
	}
	out, err := draw(r.answers.last().GetGraph(), dot, format)
	if err != nil {
		return err
	}
	return writeOutput(c.String("output"), out)
}

// draw is a graph in one of the formats.
func draw(graph *pb.GraphComplete, dot []byte, format string) ([]byte, error) {
	if format == "json" {
		return indented(graph)
	}
	dependencies, err := drawing.Dependencies(dot, graph)
	if err != nil {
		return nil, err
	}
	d := drawing.New(graph, dependencies)
	switch format {
	case "dot":
		return d.DOT(), nil
	case "mermaid":
		return d.Mermaid(), nil
	}
	return d.SVG(), nil
}

// indented is a graph as protobuf JSON with the proto's field names. protojson's own indentation differs from run to run, on purpose.
func indented(graph *pb.GraphComplete) ([]byte, error) {
	compact, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(graph)
	if err != nil {
		return nil, fmt.Errorf("print the graph: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		return nil, fmt.Errorf("print the graph: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func writeOutput(file string, out []byte) error {
	if file != "" {
		return os.WriteFile(file, out, 0o644)
	}
	if _, err := os.Stdout.Write(out); err != nil {
		return fmt.Errorf("write the drawing: %w", err)
	}
	return nil
}
