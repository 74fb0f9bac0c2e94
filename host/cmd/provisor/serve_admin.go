package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/admin/plugins"
	"github.com/provisor/provisor/host/internal/admin/status"
	"github.com/provisor/provisor/host/internal/server/endpoint"
)

// installFlags are about a daemon's plugins beside the one that it is started with.
func installFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "plugin-dir", Category: categoryRuntime, Usage: "watch `DIR`: plugins (*.wasm) that are put there are installed and used"},
		&cli.StringSliceFlag{Name: "grant", Category: categoryRuntime,
			Usage: "let a plugin use a program or a variable, as `PLUGIN:program=NAME` or PLUGIN:env=NAME, or nothing, as PLUGIN:none; may be repeated " +
				"(default: the engine, program=terraform, and env=TF_VAR_*, TF_LOG, CODER_*)",
			Action: func(_ *cli.Context, said []string) error {
				_, err := declaredGrants(said)
				if err != nil {
					return usagef("--grant %w", err)
				}
				return nil
			}},
		&cli.StringFlag{Name: "admin-socket", Category: categoryServer, EnvVars: []string{"PROVISOR_ADMIN_SOCKET"},
			Usage: "take an operator's commands (provisor plugin install and the like) on the unix socket `PATH`; none = take none (default: beside the socket for sessions)"},
	}
}

// withInstalled adds to a daemon's options what its flags say of installed plugins.
func withInstalled(c *cli.Context, o *host.Options) (err error) {
	dataDir := o.DataDir
	if dataDir == "" {
		if dataDir, err = host.DefaultDataDir(); err != nil {
			return err
		}
	}
	o.Plugins, o.Deploy = host.PluginsDir(dataDir), c.String("plugin-dir")
	// What is wrong with it, the flag's own action has said.
	o.Grants, _ = declaredGrants(c.StringSlice("grant"))
	return nil
}

// serveAdmin serves the runtime's plugins on the admin socket until stop is called. Where the socket was not named and another daemon has
// it, there is none.
func serveAdmin(c *cli.Context, log *slog.Logger, runtime *host.Runtime, more ...func(*admin.Server)) (stop func() error, err error) {
	none := func() error { return nil }
	socket, named := c.String("admin-socket"), c.IsSet("admin-socket")
	switch {
	case socket == "none":
		return none, nil
	case !named:
		e, err := endpoint.Parse(c.String("listen"))
		if err == nil {
			socket, err = e.AdminSocket()
		}
		if err != nil {
			return none, usagef("%w", err)
		}
	}
	s, err := admin.Listen(socket, log)
	if errors.Is(err, endpoint.ErrInUse) && !named {
		log.Warn("this daemon takes no operator's commands: name a socket for that with --admin-socket", "error", err)
		return none, nil
	}
	if err != nil {
		return none, usagef("--admin-socket: %w", err)
	}
	plugins.Handle(s, runtime.Plugins())
	status.Handle(s, version(), runtime.Jail())
	for _, handle := range more {
		handle(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	log.Info("taking an operator's commands", "socket", socket)
	return func() error {
		cancel()
		return <-done
	}, nil
}
