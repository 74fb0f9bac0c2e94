package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/admin/sessions"
)

func sessionsCommand() *cli.Command {
	flags := func() []cli.Flag {
		return []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print one JSON document"},
			&cli.StringFlag{Name: "admin-socket", EnvVars: []string{"PROVISOR_ADMIN_SOCKET"}, Usage: "the daemon's admin socket is at `PATH` (default: that of this user's daemon)"},
		}
	}
	return &cli.Command{
		Name:            "sessions",
		Usage:           "list what runs on the daemon now, or cancel one of its sessions",
		Category:        "Daemon",
		HideHelpCommand: true,
		Flags:           flags(),
		Action:          listSessions,
		Subcommands: []*cli.Command{{
			Name:      "cancel",
			Usage:     "cancel what a session does, and end it",
			ArgsUsage: "ID",
			Description: "Its engine is interrupted and may end within the exit timeout, the plugin answers, and the stream ends with ABORTED. A state that does\n" +
				"not reach the client is kept, as ever: see provisor recover. ID may be the beginning of one.",
			Flags:  flags(),
			Action: cancelSession,
		}},
	}
}

func askSessions(c *cli.Context, ask func(sessions.Client) error) error {
	client, err := admin.Dial(c.String("admin-socket"))
	if err != nil {
		return err
	}
	defer client.Close()
	return ask(sessions.Client{Client: client})
}

func listSessions(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("there is no command sessions %q; see provisor sessions --help", c.Args().First())
	}
	return askSessions(c, func(s sessions.Client) error {
		list, err := s.List(c.Context)
		switch {
		case err != nil:
			return err
		case c.Bool("json"):
			return printJSON(os.Stdout, list)
		case len(list.Sessions) == 0:
			fmt.Println("No sessions are open.")
			return nil
		}
		printSessions(list)
		return nil
	})
}

func printSessions(list sessions.List) {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.SetOutputMirror(os.Stdout)
	t.AppendHeader(table.Row{"ID", "Tenant", "Plugin", "Request", "Elapsed", "Session's age"})
	for _, s := range list.Sessions {
		t.AppendRow(table.Row{s.ID, s.Tenant, s.Plugin + "@" + s.Version, doing(s), elapsed(list.Now, s.Since), elapsed(list.Now, s.Began)})
	}
	t.Render()
}

// doing is what a session does, for a person.
func doing(s sessions.Info) string {
	var parts []string
	switch {
	case s.Request == "":
		parts = append(parts, "none")
	case s.Waiting:
		parts = append(parts, s.Request, "waits for its turn")
	case s.Program != "":
		parts = append(parts, s.Request, "engine: "+s.Program)
	default:
		parts = append(parts, s.Request)
	}
	if s.Canceled {
		parts = append(parts, "canceled")
	}
	return strings.Join(parts, ", ")
}

func elapsed(now, since time.Time) time.Duration { return max(0, now.Sub(since)).Round(time.Second) }

func cancelSession(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("want the ID of a session, got %d arguments: provisor sessions cancel ID", c.NArg())
	}
	return askSessions(c, func(s sessions.Client) error {
		i, err := s.Cancel(c.Context, c.Args().First())
		switch {
		case err != nil:
			return err
		case c.Bool("json"):
			return printJSON(os.Stdout, i)
		case i.Request == "":
			fmt.Printf("%s of tenant %s is ended; nothing ran.\n", i.ID, i.Tenant)
		default:
			fmt.Printf("%s of tenant %s is coming to its end; it was at %s.\n", i.ID, i.Tenant, i.Request)
		}
		return nil
	})
}
