package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/provisor/provisor/host"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// step is one request of a command.
type step string

const (
	stepInit  step = "init"
	stepParse step = "parse"
	stepPlan  step = "plan"
	stepApply step = "apply"
	stepGraph step = "graph"
)

// workflow is what a command does with a template.
type workflow struct {
	name       string
	usage      string
	steps      []step
	transition pb.WorkspaceTransition
}

var workflows = []workflow{
	{"parse", "read a template's variables, workspace tags and README", []step{stepInit, stepParse}, pb.WorkspaceTransition_START},
	{"plan", "show what a template would change", []step{stepInit, stepPlan, stepGraph}, pb.WorkspaceTransition_START},
	{"run", "plan a template and apply it", []step{stepInit, stepPlan, stepApply, stepGraph}, pb.WorkspaceTransition_START},
	{"destroy", "destroy what a template made", []step{stepInit, stepPlan, stepApply, stepGraph}, pb.WorkspaceTransition_DESTROY},
}

// applies says whether the workflow changes anything.
func (w workflow) applies() bool {
	for _, s := range w.steps {
		if s == stepApply {
			return true
		}
	}
	return false
}

// plans says whether the workflow reads the state, parameters and variables.
func (w workflow) plans() bool { return len(w.steps) > 2 }

func workCommands(signals *signals) []*cli.Command {
	var commands []*cli.Command
	for _, w := range workflows {
		commands = append(commands, &cli.Command{
			Name:      w.name,
			Usage:     w.usage,
			ArgsUsage: "DIR",
			Category:  "Templates",
			Flags:     workFlags(w),
			Action: func(c *cli.Context) error {
				return runWorkflow(c, w, signals)
			},
		})
	}
	return commands
}

func workFlags(w workflow) []cli.Flag {
	flags := append(runtimeFlags(), serverFlags()...)
	flags = append(flags, sessionFlags()...)
	flags = append(flags,
		&cli.BoolFlag{Name: "json", Category: categoryOutput, Usage: "print one JSON object with the answer to each step; all else goes to standard error"},
	)
	if !w.plans() {
		return flags
	}
	flags = append(flags, templateFlags()...)
	if w.applies() {
		flags = append(flags, stateFlags(host.DefaultMinFree, host.DefaultBallast)...)
		flags = append(flags, &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Category: categoryTemplate, Usage: "don't ask before anything is changed"})
	}
	return flags
}

// sessionFlags say how a session is run.
func sessionFlags() []cli.Flag {
	return []cli.Flag{
		&cli.DurationFlag{Name: "timeout", Category: categoryOutput, Usage: "cancel the work after `DURATION`, as an interrupt would (0 = never)"},
		&cli.BoolFlag{Name: "verbose", Category: categoryOutput, Usage: "write the log of this command's own runtime to standard error: when it was ready, what it starts, what it lacks"},
		&cli.StringFlag{Name: "log-level", Category: categoryOutput, Usage: "show messages from `LEVEL` on, and have the engine trace itself: trace, debug, info, warn, error (default: everything the engine says by itself)"},
	}
}

// templateFlags say what a plan is made from, beside the template.
func templateFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "param", Aliases: []string{"p"}, Category: categoryTemplate, Usage: "set a parameter, as `name=value`; may be repeated"},
		&cli.StringSliceFlag{Name: "param-file", Category: categoryTemplate, Usage: "read parameters from `FILE`: HCL like a .tfvars, or .json"},
		&cli.StringSliceFlag{Name: "var", Category: categoryTemplate, Usage: "set a template variable, as `name=value`; may be repeated"},
		&cli.StringSliceFlag{Name: "var-file", Category: categoryTemplate, Usage: "read template variables from `FILE`: HCL like a .tfvars, or .json"},
		&cli.StringFlag{Name: "metadata", Category: categoryTemplate, Usage: "read the workspace's metadata from `FILE`, a Metadata message in JSON (default: this user, a workspace named after DIR)"},
		&cli.StringFlag{Name: "state", Category: categoryTemplate, Usage: "keep the state in `FILE` (default: DIR/.provisor/terraform.tfstate)"},
	}
}

// job is a command line, checked.
type job struct {
	workflow
	dir      string
	state    string
	logLevel string
	timeout  time.Duration
	json     bool
	// ask is true where a person must agree before anything is changed.
	ask  bool
	plan *pb.PlanRequest
}

func newJob(c *cli.Context, w workflow) (*job, error) {
	if c.NArg() != 1 {
		return nil, usagef("want one template directory, got %d arguments: provisor %s [options] DIR\nsee provisor %s --help", c.NArg(), w.name, w.name)
	}
	timeout, err := positive(c, "timeout")
	if err != nil {
		return nil, err
	}
	j := &job{workflow: w, dir: c.Args().First(), logLevel: c.String("log-level"), timeout: timeout, json: c.Bool("json")}
	if err := checkDir(j.dir); err != nil {
		return nil, err
	}
	if err := checkLogLevel(j.logLevel); err != nil {
		return nil, err
	}
	if !w.plans() {
		return j, nil
	}
	if w.applies() {
		terminal := term.IsTerminal(int(os.Stdin.Fd()))
		if !terminal && !c.Bool("yes") && !j.json {
			return nil, usagef("%s changes things and there is no terminal to ask: add --yes (or --json) to agree beforehand", w.name)
		}
		j.ask = terminal && !c.Bool("yes")
	}
	j.state = c.String("state")
	if j.state == "" {
		j.state = filepath.Join(j.dir, ".provisor", "terraform.tfstate")
	}
	j.plan, err = planRequest(c, w.transition, j.dir)
	return j, err
}

func checkDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return usagef("template directory %s does not exist", dir)
	case err != nil:
		return usagef("template directory: %w", err)
	case !info.IsDir():
		return usagef("template directory %s is a file; name the directory it is in", dir)
	}
	return nil
}
