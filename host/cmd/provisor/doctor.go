package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/admin/status"
	"github.com/provisor/provisor/host/internal/config"
	"github.com/provisor/provisor/host/internal/daemon"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:     "doctor",
		Usage:    "say what this machine enforces around engines, and what is missing",
		Category: "Daemon",
		Description: "Each layer of the jail is put up alone, and a program tries what the layer is to keep it from. Engines, directories and the\n" +
			"daemon are looked at as \"provisor serve\" with the same flags, by the same user, would find them. Nothing is built or left behind.\n\n" +
			"Exit codes: 0 a daemon can work here, 1 it can't: a required layer is missing (--jail-require, or require in the file), or something\n" +
			"else is a problem; 2 wrong usage.",
		Flags: append(slices.Concat(doctorFlags(runtimeFlags()), doctorFlags(stateFlags(daemonMinFree, daemonBallast))),
			&cli.StringFlag{Name: "config", Category: categoryServer, Usage: "look for what the configuration in `FILE` asks for"},
			adminSocketFlag(),
			&cli.BoolFlag{Name: "json", Category: categoryOutput, Usage: "print one JSON document"},
		),
		Action: doctor,
	}
}

// doctorFlags are those that say what to look at.
func doctorFlags(flags []cli.Flag) []cli.Flag {
	return slices.DeleteFunc(flags, func(f cli.Flag) bool {
		return slices.Contains([]string{"plugin", "plugin-setting", "limit", "request-timeout", "provider-cache", "max-kept"}, f.Names()[0])
	})
}

// diagnosis is what the doctor says, as JSON.
type diagnosis struct {
	// OK says that a daemon can work here.
	OK     bool   `json:"ok"`
	System string `json:"system"`
	// UID is the user that all this is true for; -1 where there are none such.
	UID    int            `json:"uid"`
	Jail   []layerReport  `json:"jail"`
	Checks []host.Finding `json:"checks"`
}

type layerReport struct {
	status.Layer
	Required bool `json:"required"`
	// Refused and Allowed are the attempts of a program under this layer alone; see host.JailTrial.
	Refused []string `json:"refused"`
	Allowed []string `json:"allowed"`
}

func doctor(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("doctor takes no arguments, got %q", c.Args().First())
	}
	options, socket, err := doctorOptions(c)
	if err != nil {
		return err
	}
	found, err := host.Examine(c.Context, options)
	if err != nil {
		return usagef("%w", err)
	}
	d := diagnose(found, examineDaemon(c.Context, socket.path, found.Jail))
	if c.Bool("json") {
		err = printJSON(os.Stdout, d)
	} else {
		err = d.print(os.Stdout, colorful(os.Stdout))
	}
	if err == nil && !d.OK {
		return said()
	}
	return err
}

// doctorOptions are those of the daemon that is looked out for, and where it takes commands.
func doctorOptions(c *cli.Context) (host.Options, adminSocket, error) {
	if !c.IsSet("config") {
		socket, err := flagAdminSocket(c)
		return runtimeOptions(c), socket, err
	}
	if err := onlyConfig(c); err != nil {
		return host.Options{}, adminSocket{}, err
	}
	read, err := config.Load(c.String("config"))
	if err != nil {
		return host.Options{}, adminSocket{}, usagef("%w", err)
	}
	socket, err := configuredAdminSocket(c, read)
	return daemon.RuntimeOptions(configuredOptions(c), read), socket, err
}

func diagnose(found *host.Examination, more ...host.Finding) diagnosis {
	d := diagnosis{OK: true, System: runtime.GOOS + "/" + runtime.GOARCH, UID: os.Getuid(), Checks: append(found.Findings, more...)}
	for _, t := range found.Jail {
		d.OK = d.OK && !t.Lacks()
		d.Jail = append(d.Jail, layerReport{
			Layer: status.Layers([]host.JailStatus{t.JailStatus})[0], Required: t.Required, Refused: orEmpty(t.Refused), Allowed: orEmpty(t.Allowed),
		})
	}
	for _, f := range d.Checks {
		d.OK = d.OK && f.State != host.FindingProblem
	}
	return d
}

func orEmpty(list []string) []string { return append([]string{}, list...) }

// askTimeout is how long a daemon may take to say what it is.
const askTimeout = 5 * time.Second

// examineDaemon asks the daemon that is running, if one is, what it enforces: it may be another user's, or have other settings.
func examineDaemon(ctx context.Context, socket string, here []host.JailTrial) host.Finding {
	f := host.Finding{Name: "daemon", State: host.FindingNote}
	if socket == config.NoAdminSocket {
		f.Text = "none takes an operator's commands, so none can be asked"
		return f
	}
	client, err := admin.Dial(socket)
	if err != nil {
		f.State, f.Text = host.FindingProblem, err.Error()
		return f
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	s, err := status.Get(ctx, client)
	if err != nil {
		f.Text = err.Error()
		return f
	}
	f.State = host.FindingOK
	f.Text = fmt.Sprintf("version %s answers, process %d of user %d, since %s", s.Version, s.PID, s.UID, s.Started.Local().Format(time.DateTime))
	var less []string
	for _, l := range s.Jail {
		if i := slices.IndexFunc(here, func(t host.JailTrial) bool { return string(t.Layer) == l.Layer }); i >= 0 && string(here[i].State) != l.State {
			less = append(less, fmt.Sprintf("%s is %s there", l.Layer, l.State))
		}
	}
	if len(less) > 0 {
		f.State, f.Fix = host.FindingNote, "its user, its settings or its service's unit differ from this command's: "+strings.Join(less, ", ")
	}
	return f
}

// The words and colors of lines.
var (
	layerColors   = map[string]text.Color{"enforced": text.FgGreen, "partial": text.FgYellow, "missing": text.FgYellow, "disabled": text.FgYellow}
	findingColors = map[host.FindingState]text.Color{host.FindingOK: text.FgGreen, host.FindingNote: text.FgYellow, host.FindingProblem: text.FgRed}
)

// print writes the diagnosis for a person.
func (d diagnosis) print(out io.Writer, color bool) error {
	p := doctorPrinter{out: out, color: color}
	p.printf("The jail around engines (%s, for user %d)\n", d.System, d.UID)
	for _, l := range d.Jail {
		l.print(&p)
	}
	p.printf("\nThe surroundings\n")
	for _, f := range d.Checks {
		p.line(string(f.State), findingColors[f.State], f.Name, f.Text)
		p.more("advice", f.Fix)
	}
	p.printf("\n%s\n", d.sum())
	return p.err
}

func (l layerReport) print(p *doctorPrinter) {
	word, color := l.State, layerColors[l.State]
	switch {
	case len(l.Allowed) > 0:
		word, color = "fails", text.FgRed
	case l.Required && l.State != "enforced":
		color = text.FgRed
	}
	how := l.How
	if l.Required {
		how = strings.TrimSuffix("required; "+how, "; ")
	}
	p.line(word, color, l.Layer.Layer, how)
	p.more("tried, and refused", strings.Join(l.Refused, ", "))
	p.more("tried, and NOT refused", strings.Join(l.Allowed, ", "))
	p.more("to get it", l.Fix)
}

// sum says in one line what it comes to.
func (d diagnosis) sum() string {
	var lacks []string
	enforced := 0
	for _, l := range d.Jail {
		if l.State == "enforced" && len(l.Allowed) == 0 {
			enforced++
		} else if l.Required || len(l.Allowed) > 0 {
			lacks = append(lacks, "layer "+l.Layer.Layer)
		}
	}
	for _, f := range d.Checks {
		if f.State == host.FindingProblem {
			lacks = append(lacks, f.Name)
		}
	}
	layers := fmt.Sprintf("%d of %d layers are enforced", enforced, len(d.Jail))
	if len(lacks) > 0 {
		return layers + "; a daemon can't work here for: " + strings.Join(lacks, ", ")
	}
	return layers + "; a daemon can work here"
}

// doctorPrinter writes lines in columns.
type doctorPrinter struct {
	out   io.Writer
	color bool
	err   error
}

func (p *doctorPrinter) printf(format string, args ...any) {
	_, err := fmt.Fprintf(p.out, format, args...)
	p.err = errors.Join(p.err, err)
}

func (p *doctorPrinter) line(word string, color text.Color, name, what string) {
	word = fmt.Sprintf("%-8s", word)
	if p.color {
		word = color.EscapeSeq() + word + text.Reset.EscapeSeq()
	}
	p.printf("  %s  %-13s %s\n", word, name, printable(what))
}

// more writes what there is to say beside a line, below it.
func (p *doctorPrinter) more(title, what string) {
	if what != "" {
		p.printf("  %-8s  %-13s %s: %s\n", "", "", title, printable(what))
	}
}
