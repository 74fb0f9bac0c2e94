package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/workdir"
	"github.com/provisor/provisor/host/internal/workdir/recovery"
)

func recoverCommand() *cli.Command {
	dataDir := &cli.StringFlag{Name: "data-dir", EnvVars: []string{"PROVISOR_DATA_DIR"}, Usage: "look into `DIR` (default: provisor in the user's state directory)"}
	asJSON := &cli.BoolFlag{Name: "json", Usage: "print one JSON document"}
	return &cli.Command{
		Name:     "recover",
		Usage:    "states of applies that did not reach their client",
		Category: "Daemon",
		Description: "From the moment that an apply begins, each complete state that the engine writes is copied aside. Where the client was gone, the\n" +
			"daemon was killed or the disk was full, the newest one stays until it is discarded here: nothing removes it by itself.\n\n" +
			"These commands need no daemon, and do no harm beside one. What was being applied just now is \"in use\", and is left alone.",
		HideHelpCommand: true,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("there is no command recover %q; see provisor recover --help", c.Args().First())
			}
			return cli.ShowSubcommandHelp(c)
		},
		Subcommands: []*cli.Command{{
			Name:  "list",
			Usage: "list the states that are kept",
			Flags: []cli.Flag{dataDir, asJSON,
				&cli.StringFlag{Name: "tenant", Usage: "list only those of the tenant `NAME`"}},
			Action: withStates(recoverList),
		}, {
			Name:      "show",
			Usage:     "show whose state it is, why it is kept, and what is in it; no secrets",
			ArgsUsage: "ID",
			Flags:     []cli.Flag{dataDir, asJSON},
			Action:    withStates(recoverShow),
		}, {
			Name:      "export",
			Usage:     "write the state into a file (0600); the record stays",
			ArgsUsage: "ID FILE|-",
			Description: "A state may hold secrets. For a template that was run from the command line, FILE is DIR/.provisor/terraform.tfstate; otherwise hand\n" +
				"it to whoever keeps the template's state.",
			Flags: []cli.Flag{dataDir,
				&cli.BoolFlag{Name: "force", Usage: "overwrite FILE"},
				&cli.StringFlag{Name: "file", Usage: "export the state that the engine had in `NAME`, where there are several (default: the newest)"}},
			Action: withStates(recoverExport),
		}, {
			Name:      "discard",
			Usage:     "remove a record with its states, for good",
			ArgsUsage: "ID...",
			Flags: []cli.Flag{dataDir,
				&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "don't ask"}},
			Action: withStates(recoverDiscard),
		}},
	}
}

// withStates opens the data directory for the action. What dead daemons left is recovered first.
func withStates(action func(*cli.Context, *recovery.Store) error) cli.ActionFunc {
	return func(c *cli.Context) (err error) {
		dir := c.String("data-dir")
		if dir == "" {
			if dir, err = host.DefaultDataDir(); err != nil {
				return err
			}
		}
		log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
		states, err := recovery.Open(recovery.Options{Dir: host.RecoveryDir(dir), Log: log})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, states.Close()) }()
		sessions, err := workdir.Open(host.SessionsDir(dir), states, log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, sessions.Close()) }()
		return action(c, states)
	}
}

func recoverList(c *cli.Context, states *recovery.Store) error {
	if c.Args().Present() {
		return usagef("recover list takes no arguments, got %q", c.Args().First())
	}
	entries, err := states.List()
	if err != nil {
		return err
	}
	if of := c.String("tenant"); of != "" {
		entries = slices.DeleteFunc(entries, func(e *recovery.Entry) bool { return e.Tenant != of })
	}
	if c.Bool("json") {
		documents := make([]recordDocument, 0, len(entries))
		for _, e := range entries {
			documents = append(documents, newRecordDocument(e))
		}
		return printJSON(os.Stdout, documents)
	}
	if len(entries) == 0 {
		fmt.Println("No states are kept.")
		return nil
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.SetOutputMirror(os.Stdout)
	t.AppendHeader(table.Row{"ID", "Status", "Tenant", "Template", "Workspace", "Resources", "Updated"})
	for _, e := range entries {
		d := newRecordDocument(e)
		t.AppendRow(table.Row{d.ID, d.Status, d.Tenant, d.template(), d.workspace(), d.resources(), humanize.Time(d.Updated)})
	}
	t.Render()
	fmt.Println(`"provisor recover show ID" says more, "export ID FILE" writes the state, "discard ID" removes it.`)
	return nil
}

func recoverShow(c *cli.Context, states *recovery.Store) error {
	if c.NArg() != 1 {
		return usagef("want the ID of a record, got %d arguments: provisor recover show ID", c.NArg())
	}
	e, err := states.Find(c.Args().First())
	if err != nil {
		return err
	}
	d := newRecordDocument(e)
	if c.Bool("json") {
		return printJSON(os.Stdout, d)
	}
	return d.writeText(os.Stdout)
}

func recoverExport(c *cli.Context, states *recovery.Store) error {
	if c.NArg() != 2 {
		return usagef("want an ID and a file, got %d arguments: provisor recover export ID FILE, or - for standard output", c.NArg())
	}
	e, err := states.Find(c.Args().Get(0))
	if err != nil {
		return err
	}
	if e.Status == recovery.InUse {
		fmt.Fprintln(os.Stderr, "The apply still runs, or its answer is on its way to the client: this is the state so far.")
	}
	state, err := e.State(c.String("file"))
	if err != nil {
		return err
	}
	content, err := state.Read()
	if err != nil {
		return err
	}
	to := c.Args().Get(1)
	if to == "-" {
		_, err := os.Stdout.Write(content)
		return err
	}
	if err := writeState(to, content, c.Bool("force")); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "wrote %s, %s. The record stays: provisor recover discard %s\n", to, humanize.IBytes(uint64(len(content))), e.ID)
	return nil
}

// writeState writes a state for nobody but this user. It is whole, or not there.
func writeState(path string, content []byte, force bool) (err error) {
	if _, err := os.Lstat(path); err == nil && !force {
		return fmt.Errorf("%s is there already: name another file, or overwrite it with --force", path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".state-*")
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the state: %w", err), os.Remove(f.Name()))
	}
	return nil
}

func recoverDiscard(c *cli.Context, states *recovery.Store) error {
	if !c.Args().Present() {
		return usagef("want the ID of a record: provisor recover discard ID...")
	}
	var entries []*recovery.Entry
	for _, id := range c.Args().Slice() {
		e, err := states.Find(id)
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	if !c.Bool("yes") {
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			return usagef("discard removes states for good, and there is no terminal to ask: add --yes to agree beforehand")
		}
		for _, e := range entries {
			d := newRecordDocument(e)
			fmt.Fprintf(os.Stderr, "%s: tenant %s, template %s, workspace %s, %s resources\n", d.ID, d.Tenant, d.template(), d.workspace(), d.resources())
		}
		fmt.Fprint(os.Stderr, "Discard for good? Only yes is accepted: ")
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) || !strings.EqualFold(strings.TrimSpace(line), "yes") {
			return errors.New("not agreed: nothing was discarded")
		}
	}
	for _, e := range entries {
		if err := states.Discard(e); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, "discarded", e.ID)
	}
	return nil
}
